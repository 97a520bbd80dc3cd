"""Whether a file fits its mapping, before the first event is sent: its columns, its times, and the share of bad rows."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cli.errors import UserError
from cli.files.rows import Broken, Row, Rows
from cli.replay.formats import Format
from cli.replay.hints import choose_column, separator_hint, shown_columns, time_hint, unit_hint
from cli.replay.mapping import LATEST_TIME_MS, MappedEvent
from state.configuration import Events
from state.events.event import read_event
from state.events.rejection import Rejection

SAMPLE_ROWS = 1_000
"""So many rows are judged before the rest of the file is read."""
MOST_BAD_SHARE = 0.5
"""Of a file's rows: where more are no events, the mapping is wrong and not the rows. Of the sample, and of the whole file."""
MOST_COLUMNS = 500
REQUIRED = ("session_id", "event_type")
UNREADABLE_TIME = "unreadable time"


class Examination:
    """Watch over the rows of a file on their way to become events; it stops when they cannot be what the mapping says."""

    def __init__(self, rows: Rows, mapping: Format, events: Events, most_bad: float = MOST_BAD_SHARE) -> None:
        self._rows, self._mapping, self._events, self._most_bad = rows, mapping, events, most_bad
        self._columns: dict[str, None] = {}
        self._times: list[Any] = []
        self._times_ms: list[int] = []
        self._seen = self._judged = 0
        self.bad: Counter[str] = Counter()
        self.examples: dict[str, str] = {}

    def watch(self) -> Iterator[Row | Broken]:
        """Yield the rows; stop after the sample where it does not fit.

        Raises:
            UserError: says what is wrong with the file or the mapping, and the fix.
        """
        for row in self._rows:
            if self._seen == 0 and self._rows.columns is not None:
                self._check_columns(self._rows.columns)
            self._seen += 1
            if self._seen <= SAMPLE_ROWS and isinstance(row, Mapping):
                self._times.append(row.get(self._mapping.time.column))
                if len(self._columns) < MOST_COLUMNS:
                    self._columns.update(dict.fromkeys(row))
            yield row
            if self._seen == SAMPLE_ROWS:
                self._check(f"of the first {SAMPLE_ROWS:,}")

    def examine(self, mapped: MappedEvent | bytes, body: bytes) -> None:
        """Judge an event as the job will."""
        self._judged += 1
        if isinstance(mapped, bytes):
            why = mapped.why if isinstance(mapped, Broken) else "no JSON object"
            self._count(f"unreadable row ({why.partition(':')[0]})", why)
            return
        time_ms = mapped.timestamp_ms
        if time_ms is None:
            self._count(UNREADABLE_TIME, f"{self._mapping.time.column} is {mapped.fields.get('timestamp')!r}")
            return
        if len(self._times_ms) < SAMPLE_ROWS:
            self._times_ms.append(time_ms)
        value = b"%b%b}" % (body[:-1] + b"," if len(body) > 2 else b"{", b'"timestamp":%d' % time_ms)
        found = read_event(value, now_ms=LATEST_TIME_MS, max_bytes=self._events.max_bytes, max_future_ms=0)
        if isinstance(found, Rejection):
            reason = f"{found.reason} {found.field}" if found.field else str(found.reason)
            shown = mapped.fields.get(found.field) if found.field else None
            self._count(reason, found.detail if shown is None else f"{found.detail}: {shown!r}")

    def finish(self) -> None:
        """Look a last time, at the whole file.

        Raises:
            UserError: as `watch`.
        """
        if self._seen == 0 and self._rows.columns:
            self._check_columns(self._rows.columns)
        self._check(f"of {self._judged:,}")

    def _count(self, reason: str, detail: str) -> None:
        self.bad[reason] += 1
        self.examples.setdefault(reason, f"line {self._rows.line}: {detail}"[:200])

    def _check(self, of_what: str) -> None:
        if self._columns and self._rows.columns is None and self._seen <= SAMPLE_ROWS:
            self._check_columns(list(self._columns))
        if self._mapping.time.summed is None and (hint := unit_hint(self._mapping.time, self._times_ms)):
            raise self._stop(hint)
        if self.bad.total() <= self._most_bad * self._judged:
            return
        reasons = "; ".join(f"{count:,} {reason}, {self.examples[reason]}" for reason, count in self.bad.most_common(3))
        hints = [time_hint(self._mapping.time, self._times)] if UNREADABLE_TIME in self.bad else []
        hints += [self._file_hint()]
        raise self._stop(
            f"{self.bad.total():,} rows {of_what} are no events, more than {self._most_bad:.0%} ({reasons})",
            *filter(None, hints),
            f"columns: {shown_columns(self._columns)}" if self._columns else "",
            "--max-bad 1 sends them as dead letters all the same",
        )

    def _check_columns(self, columns: list[str]) -> None:
        for where, names in self._needed():
            if any(name in columns for name in names):
                continue
            named = " or ".join(repr(name) for name in names)
            has = f"column {named} ({where}) is not in the file; it has: {shown_columns(columns)}"
            close = choose_column(where, names[0], columns)
            guess = f"did you mean {close}? " if close else ""
            raise self._stop(has, self._file_hint() or f"{guess}correct the mapping")

    def _needed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for column in self._mapping.time.columns:
            yield "time", (column,)
        for name in REQUIRED:
            if name in self._mapping.event and self._mapping.event[name].columns:
                yield f"event.{name}", self._mapping.event[name].columns
        for rule in self._mapping.skip if self._rows.columns is not None else ():
            yield "skip", (rule.column,)

    def _file_hint(self) -> str:
        if self._rows.kind == "csv":
            return separator_hint(self._rows)
        if self._rows.columns is None and len(self._columns) == 1:
            return "the file is one object: write the array inside it to a file of its own"
        return ""

    def _stop(self, what: str, *more: str) -> UserError:
        reasons = "; ".join(part for part in (what, *more) if part)
        return UserError(f"nothing of {self._rows.name} was sent: {reasons}; read as {self._rows.read_as()}")


def absent_fields(mapping: Format, columns: list[str] | None) -> list[str]:
    """Return fields of the event that the mapping takes from columns which the file does not have."""
    if columns is None:
        return []
    return [name for name, field in mapping.event.items() if field.columns and not set(field.columns) & set(columns)]
