"""What changed of the model since its last whole snapshot: small enough to travel with every publication."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.codec import damaged, reading, unpack
from state.decay import decay_between
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.snapshot_check import check_snapshot
from state.model.sums import Sums

MARK = b"+"
"""First byte of a change, which tells it from a snapshot."""
_VERSION = b"\x01"
MOST_PRODUCTS = 100_000
"""Of a model with what its changes add: several times what a snapshot has room for."""
LEARNED_ANEW = 1.1
"""A whole snapshot is due when what was learned has grown by this factor: the residuals of the products that did not change are
taken against the coefficients of the last one."""


class Change(msgspec.Struct, array_like=True, frozen=True):
    """A snapshot with the rows of only those products that changed since the whole snapshot of `base_version`: cumulative, so that
    the newest change and its base are all that a reader needs. All other products are as they were, except for forgetting."""

    base_version: int
    snapshot: bytes

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return MARK + _VERSION + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Change":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        if data[:1] != MARK:
            raise damaged("a change of the model", f"it begins with {data[:1]!r}")
        return unpack(data[1:], (_VERSION,), _decoder, "a change of the model")


_decoder = msgspec.msgpack.Decoder(Change)


class LiveModel:
    """The model as a reader of the topic has it: the newest whole snapshot with the newest change of it; `predictor` is made of
    the newest, which shows that it is sound."""

    def __init__(self) -> None:
        self.base: Snapshot | None = None
        self.newest: Snapshot | None = None
        self.predictor: Predictor | None = None
        self._change: tuple[int, Snapshot] | None = None
        self._row_of: dict[str, int] = {}

    def apply(self, data: bytes) -> Snapshot | None:
        """Take a snapshot or a change in, in the order of the topic; return the newest model where it is another now.

        A change whose base has not come is kept until it does.

        Raises:
            UnreadableError: the bytes hold no sound model; then nothing is taken in.
        """
        base, change, row_of = self.base, self._change, self._row_of
        if data[:1] == MARK:
            read = Change.decode(data)
            change = (read.base_version, Snapshot.decode(read.snapshot))
            if not _fits(base, change):
                check_snapshot(change[1])
                self._change = change
                return None
        else:
            base = Snapshot.decode(data)
            row_of = rows_by_product(base)
        assert base is not None
        newest = base
        if change is not None and _fits(base, change):
            check_snapshot(change[1])
            row_of = dict(row_of)  # the rows of a change that proves unsound are not to stay
            with reading("the change of the model"):
                newest = patched(base, change[1], row_of)
            if len(row_of) > MOST_PRODUCTS:
                raise damaged("the change of the model", f"with it there are more than {MOST_PRODUCTS} products")
        predictor = Predictor(newest)
        self.base, self._change, self._row_of = base, change, row_of
        self.newest, self.predictor = newest, predictor
        return newest


def _fits(base: Snapshot | None, change: tuple[int, Snapshot] | None) -> bool:
    if base is None or change is None:
        return False
    return (change[0], change[1].lineage) == (base.model_version, base.lineage)


class Publication:
    """Choice of whether the whole model goes out next or what changed of it. Not kept: a start begins with a whole one.

    Args:
        interval_ms: a whole snapshot at least so often.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._base_version: int | None = None
        self._learned = 0.0
        self.changed: set[str] = set()
        self.newest_version = 0

    def begin_anew(self) -> None:
        """Let the next publication be whole, as the model was replaced."""
        self._base_version = None

    def base_of(self, learned: float, now_ms: int) -> int | None:
        """Return the version of the whole snapshot that the next publication is a change of, None where it must be whole.

        `learned` is the weighted count of exposures that the model knows.
        """
        if self._base_version is None or now_ms - self._base_version >= self._interval_ms:
            return None
        return None if learned > LEARNED_ANEW * self._learned else self._base_version

    def whole(self, version: int, learned: float) -> None:
        """Note that a whole snapshot has gone out."""
        self._base_version, self._learned = version, learned
        self.changed = set()

    def version(self, now_ms: int) -> int:
        """Return the version of the next publication: the time, but later than any before."""
        self.newest_version = max(now_ms, self.newest_version + 1)
        return self.newest_version


def rows_by_product(base: Snapshot) -> dict[str, int]:
    """Return the row of each product of a snapshot."""
    return {product: row for row, product in enumerate(base.product_ids)}


def patched(base: Snapshot, change: Snapshot, row_of: dict[str, int]) -> Snapshot:
    """Return the whole model as of a change: the products that did not change keep their rows of `base`, faded by the time between.

    `row_of` are the rows of `base`, and of what earlier changes of it added; what this one adds is added to it. A product that only
    earlier ones had knows nothing again.
    """
    half_life_ms = Sums.decode(change.sums).half_life_ms
    fade = decay_between(base.model_version, change.model_version, half_life_ms)
    products = _Patch(row_of, len(base.product_ids), change.product_ids, fade)
    cells = _Patch({cell: row for row, cell in enumerate(base.cells)}, len(base.cells), change.cells, fade)
    return msgspec.structs.replace(
        change,
        product_ids=list(row_of),
        counts=products.column(base.counts, change.counts, "<f8"),
        residuals=products.column(base.residuals, change.residuals, "<f4"),
        arms=products.column(base.arms, change.arms, "<f8"),
        cells=list(cells.row_of),
        cell_counts=cells.column(base.cell_counts, change.cell_counts, "<f8"),
        cell_residuals=cells.column(base.cell_residuals, change.cell_residuals, "<f4"),
    )


class _Patch:
    """Rows of a snapshot with those of a change in their places; `row_of` gets what the change adds."""

    def __init__(self, row_of: dict[str, int], before: int, changed: list[str], fade: float) -> None:
        self.row_of = row_of
        self._before, self._fade = before, fade
        self._rows = np.array([row_of.setdefault(name, len(row_of)) for name in changed], dtype=np.int64)

    def column(self, old: bytes, new: bytes, kind: str) -> bytes:
        if not self.row_of:
            return b""
        before: NDArray[Any] = np.frombuffer(old, dtype=kind).reshape(self._before, -1) if old else np.zeros((0, 0))
        after: NDArray[Any] = np.frombuffer(new, dtype=kind).reshape(len(self._rows), -1) if new else np.zeros((0, 0))
        table = np.zeros((len(self.row_of), max(before.shape[1], after.shape[1])), dtype=kind)
        table[: len(before)] = self._fade * before if len(before) else 0
        if len(after):
            table[self._rows] = after
        return table.tobytes()
