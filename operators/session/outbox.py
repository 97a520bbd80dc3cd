"""What a batch of inputs sends on, as few rows as can be: a row costs more than its bytes."""

from collections.abc import Iterable
from typing import Any

from pyflink.common import Types

from operators.names import EXAMPLES, OUTCOMES, WANTED
from state.events.accepted import LINE, read_time_and_user
from state.session.log import Record

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
OUTPUT_TYPE = Types.ROW_NAMED(
    ["kind", "key", "value", "outcomes", "shard", "examples", "accepted"],
    [Types.STRING(), _BYTES, _BYTES, _BYTES, Types.STRING(), _BYTES, Types.STRING()],
)
"""Row(kind, key, value, outcomes, shard, examples, accepted): a record for the topic of that kind or for the operator that wants
it, outcomes of that key, a message for the learner's shard, lines of `state/events/accepted.py`; each None where there is none.
Lines of several events stand together where all fall into one of popularity's slides and tell of no user."""

KIND, KEY, VALUE, OUTCOMES_COLUMN, SHARD, MESSAGE, ACCEPTED = range(7)

Fields = list[Any]
"""Of a row of `OUTPUT_TYPE`."""


class Outbox:
    """Records collected from several inputs; `slide_ms` is popularity's, by which accepted events are counted."""

    def __init__(self, slide_ms: int) -> None:
        self._slide_ms = slide_ms
        self._rows: list[Fields] = []
        self._accepted: dict[int, list[str]] = {}

    def add(self, kind: str, key: bytes | None, value: bytes | None) -> None:
        """Add a record for a topic or an operator."""
        self._rows.append(_row(kind, key, value))

    def add_all(self, records: Iterable[Record], accepted: str | None) -> None:
        """Add what an input brought about: outcomes and a message for the learner go along with a record of the same session."""
        rows: list[Fields] = []
        for record in records:
            if record.kind == OUTCOMES:
                row = _with_room(rows, OUTCOMES_COLUMN, record.key)
                row[KEY], row[OUTCOMES_COLUMN] = record.key, record.value
            elif record.kind == EXAMPLES:
                row = _with_room(rows, MESSAGE)
                row[SHARD], row[MESSAGE] = record.key.decode(), record.value
            else:
                rows.append(_row(record.kind, record.key, record.value))
        if accepted is not None:
            self._accept(rows, accepted)
        self._rows += rows

    def want(self, product_ids: Iterable[str]) -> None:
        """Ask the directory for products."""
        self._rows += [_row(WANTED, product_id.encode(), b"") for product_id in product_ids]

    def drain(self) -> tuple[tuple[Any, ...], ...]:
        """Return the fields of all rows; the outbox is empty then."""
        rows = self._rows
        for lines in self._accepted.values():
            _with_room(rows, ACCEPTED)[ACCEPTED] = LINE.join(lines)
        self._rows, self._accepted = [], {}
        return tuple(map(tuple, rows))

    def _accept(self, rows: list[Fields], accepted: str) -> None:
        at_ms, user = read_time_and_user(accepted)
        if user:
            _with_room(rows, ACCEPTED)[ACCEPTED] = accepted
        else:
            self._accepted.setdefault(at_ms // self._slide_ms, []).append(accepted)


def _row(kind: str | None, key: bytes | None, value: bytes | None) -> Fields:
    return [kind, key, value, None, None, None, None]


def _with_room(rows: list[Fields], column: int, key: bytes | None = None) -> Fields:
    """The last of the rows where it has nothing in the column, and that key if one is given; else a new one."""
    if not rows or rows[-1][column] is not None or key not in (None, rows[-1][KEY]):
        rows.append(_row(None, key, None))
    return rows[-1]
