"""Lists of product ids as rows of the catalogue, kept while neither changes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue import Catalogue, Rows
from state.kernels import SOURCE_STEPS

MOST_KEPT = 20_000
Entry = Any
Telling = Callable[[int, Entry, Entry], tuple[int, float]]
"""Column and value of the feature that a list tells of an entry, given its rank and the list's best."""


class Resolved(NamedTuple):
    """A list's products that are held: `coded` (k,), the rows with the source's code, see `coded`, and the feature `told` (k, 3) of
    each: row, column, value."""

    coded: Rows
    told: NDArray[np.float64]


_NOTHING = Resolved(np.zeros(0, dtype=np.int64), np.zeros((0, 3)))


def coded(source: int, rows: Sequence[int]) -> Rows:
    """Rows in the form in which `gather` takes them."""
    return np.array([SOURCE_STEPS * row + source for row in rows], dtype=np.int64)


class RowCache:
    """At most `MOST_KEPT` lists; the longest unused go. A list is known by its key, and is another where the object is."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._kept: OrderedDict[Hashable, tuple[Sequence[Entry], Resolved]] = OrderedDict()

    def clear(self) -> None:
        """The catalogue has changed."""
        self._kept.clear()

    def of(self, source: int, name: str, listed: Sequence[Entry], telling: Telling) -> Resolved:
        """The rows of a source's list of entries (product, …), best first; asks for the products that are not held."""
        if not listed:
            return _NOTHING
        key = (source, name)
        kept = self._kept.get(key)
        if kept is not None and kept[0] is listed:
            self._kept.move_to_end(key)
            return kept[1]
        resolved = self._resolve(source, listed, telling)
        self._kept[key] = (listed, resolved)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return resolved

    def ask(self, source: int, product_ids: Sequence[str]) -> Rows:
        """The coded rows of products that are held; asks for the others."""
        if not product_ids:
            return _NOTHING.coded
        rows = self._catalogue.listed(product_ids)
        if len(rows) < len(product_ids):
            self._ask(product_ids)
        return coded(source, rows)

    def _resolve(self, source: int, listed: Sequence[Entry], telling: Telling) -> Resolved:
        row_of, rows, told = self._catalogue.row_of, [], []
        for rank, entry in enumerate(listed):
            row = row_of.get(entry[0])
            if row is not None:
                rows.append(row)
                told.append((row, *telling(rank, entry, listed[0])))
        if len(rows) < len(listed):
            self._ask(entry[0] for entry in listed)
        return Resolved(coded(source, rows), np.array(told, dtype=np.float64).reshape(-1, 3))

    def _ask(self, product_ids: Iterable[str]) -> None:
        row_of = self._catalogue.row_of
        self._catalogue.want([product for product in product_ids if product not in row_of])
