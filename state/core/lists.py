"""Lists that the compiled core asked for, by kind and name, as it reads them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from state.core.held import Held
from state.kernels.core.layout import RESOLVED
from state.kernels.core.naming import key_bytes

MOST = 1 << 15
"""Lists held; all are forgotten when there would be more."""
SLOTS = 2 * MOST
FIRST_EXISTING = 1 << 10
FREE, LEFT = -1, -2
ALWAYS_MS = 1 << 62


class FoundList:
    """Answer to a question for a list: `rows` (n,) and `values` (n,) of them, and the further fields of `RESOLVED`.

    `names` are texts that `extra` has the addresses of, `kept` is whatever else must last as long.
    """

    def __init__(
        self,
        rows: NDArray[np.int64] | None = None,
        values: NDArray[np.float64] | None = None,
        until_ms: int = ALWAYS_MS,
        extra: NDArray[np.int64] | None = None,
        extra_n: int = 0,
        weights: NDArray[np.float64] | None = None,
        text: bytes = b"",
        kept: object = None,
        names: Sequence[NDArray[np.uint8]] = (),
    ) -> None:
        self.rows = np.zeros(0, np.int64) if rows is None else np.ascontiguousarray(rows)
        self.values = np.zeros(0) if values is None else np.ascontiguousarray(values)
        self.until_ms = until_ms
        self.extra = np.zeros(0, np.int64) if extra is None else np.ascontiguousarray(extra)
        self.extra_n = extra_n
        self.weights = np.zeros(0) if weights is None else np.ascontiguousarray(weights)
        self.text = text
        self.kept = kept
        self.names = names


class Lists:
    """The table of lists and its index, at fixed addresses.

    It also knows which lists exist that were not asked for: of others nobody has to ask. The first list is the empty one.

    Attributes:
        table_at, index_at, mask: for the kernels.
        existing: (slots,) the keys of the lists that exist, 0 in free slots; another array when it grows.
    """

    def __init__(self) -> None:
        self._table = np.zeros(SLOTS, RESOLVED)
        self._index = np.full((SLOTS, 2), FREE, np.int64)
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._held: dict[int, Held] = {}
        self._nothing = np.zeros(8, np.int64)
        for name in ("name", "rows", "values", "extra", "weights", "text"):
            self._table[0][name] = self._nothing.ctypes.data
        self._next = 1
        self._keys: set[int] = set()
        self.existing = np.zeros(FIRST_EXISTING, np.int64)
        self.table_at, self.index_at = int(self._table.ctypes.data), int(self._index.ctypes.data)
        self.mask = SLOTS - 1

    def __len__(self) -> int:
        """Lists held."""
        return len(self._numbers)

    def put(self, kind: int, name: bytes, found: FoundList) -> None:
        """Hold a list, in the place of an older one."""
        if self._next >= MOST:
            self.clear()
        self.drop(kind, name)
        number, held = self._next, Held()
        self._next += 1
        one = self._table[number]
        one["kind"], one["name"], one["name_len"] = kind, held.text("name", name), len(name)
        one["until_ms"] = found.until_ms
        one["rows"], one["values"] = held.put("rows", found.rows), held.put("values", found.values)
        one["n"] = len(found.rows) or len(found.values)
        one["extra"], one["extra_n"] = held.put("extra", found.extra), found.extra_n
        one["weights"] = held.put("weights", found.weights)
        one["text"], one["text_len"] = held.text("text", found.text), len(found.text)
        for at, text in enumerate(found.names):
            held.put(f"name {at}", text)
        if found.kept is not None:
            held.keep(found.kept)
        self._held[number] = held
        self._numbers[kind, name] = number
        key = key_bytes(kind, name)
        slot = key & self.mask
        while self._index[slot, 1] >= 0:
            slot = (slot + 1) & self.mask
        self._index[slot] = key, number

    def drop(self, kind: int, name: bytes) -> None:
        """Forget a list."""
        number = self._numbers.pop((kind, name), None)
        if number is None:
            return
        slot = key_bytes(kind, name) & self.mask
        while self._index[slot, 1] != number:
            slot = (slot + 1) & self.mask
        self._index[slot, 1] = LEFT
        del self._held[number]

    def drop_kinds(self, *kinds: int) -> None:
        """Forget all lists of these kinds."""
        for kind, name in [key for key in self._numbers if key[0] in kinds]:
            self.drop(kind, name)

    def exists(self, kind: int, name: bytes) -> None:
        """Note that there is such a list. One that ends is found empty when it is asked for."""
        key = key_bytes(kind, name)
        if key in self._keys:
            return
        self._keys.add(key)
        if len(self._keys) > len(self.existing) // 2:
            self.existing = np.zeros(2 * len(self.existing), np.int64)
            for known in self._keys:
                self._enter(known)
        else:
            self._enter(key)

    def forget_existing(self) -> None:
        """Forget which lists exist."""
        self._keys.clear()
        self.existing = np.zeros(FIRST_EXISTING, np.int64)

    def _enter(self, key: int) -> None:
        mask = len(self.existing) - 1
        slot = key & mask
        while self.existing[slot]:
            slot = (slot + 1) & mask
        self.existing[slot] = key

    def clear(self) -> None:
        """Forget all lists."""
        self._index.fill(FREE)
        self._numbers.clear()
        self._held.clear()
        self._next = 1

    def regions(self) -> list[tuple[int, int]]:
        """Return begins and lengths of all that is held, for the checked mode."""
        arrays = (self._table, self._index, self._nothing, self.existing)
        own = [(int(array.ctypes.data), int(array.nbytes)) for array in arrays]
        return own + [region for held in self._held.values() for region in held.regions()]
