"""Lists of product ids as rows of the catalogue, kept while neither changes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import Catalogue, Rows

MOST_KEPT = 20_000
Entry = Any
FeatureOf = Callable[[int, Entry, Entry], float]
"""The value of the feature that a list tells of an entry, given its rank and the list's best."""


class Resolved(NamedTuple):
    """A list's products that are held: their `rows` (k,), what it tells of each, (k,) or nothing, and as a `part` of a list for
    kernels the addresses of both and k, which hold as long as this does."""

    rows: Rows
    values: NDArray[np.float64]
    part: bytes


def resolved(rows: Rows, values: NDArray[np.float64] | None = None) -> Resolved:
    """Return the list of these rows, contiguous in memory, with what it tells of them."""
    if values is None:
        values = _NO_VALUES
    return Resolved(rows, values, _part(rows.ctypes.data, values.ctypes.data, len(rows)))


_part = Struct("3d").pack
_NO_VALUES = np.zeros(0)
NOTHING = resolved(np.zeros(0, dtype=np.int64))


class RowCache:
    """Lists by key, at most `MOST_KEPT`; the longest unused go. A list is known by its key, and is another where the object is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[Hashable, tuple[Sequence[Entry], Resolved]] = OrderedDict()

    def clear(self) -> None:
        """Forget all lists, as the catalogue has changed."""
        self._kept.clear()

    def of(self, source: int, name: str, listed: Sequence[Entry], feature_of: FeatureOf) -> Resolved:
        """Return the rows of a source's list of entries (product, …), best first; ask for the products that are not held."""
        if not listed:
            return NOTHING
        key = (source, name)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is listed:
            self._kept.move_to_end(key)
            return kept[1]
        entry = self._resolve(listed, feature_of)
        self._kept[key] = (listed, entry)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return entry

    def ask(self, product_ids: Sequence[str]) -> list[int]:
        """Return the rows of products that are held; ask for the others."""
        rows = self._catalogue.listed(product_ids)
        if len(rows) < len(product_ids):
            self._ask(product_ids)
        return rows

    def _resolve(self, listed: Sequence[Entry], feature_of: FeatureOf) -> Resolved:
        row_of, rows, values = self._catalogue.row_of, [], []
        for rank, entry in enumerate(listed):
            row = row_of.get(entry[0])
            if row is not None:
                rows.append(row)
                values.append(feature_of(rank, entry, listed[0]))
        if len(rows) < len(listed):
            self._ask(entry[0] for entry in listed)
        return resolved(np.array(rows, dtype=np.int64), np.array(values, dtype=np.float64))

    def _ask(self, product_ids: Iterable[str]) -> None:
        row_of = self._catalogue.row_of
        self._catalogue.want([product for product in product_ids if product not in row_of])
