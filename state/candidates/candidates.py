"""Finding what the policy chooses from: at most a hundred products, never a scan of the catalogue."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from state.candidates.sources.names import OWN
from state.candidates.sources.shelf import Asked, CandidateLists, Shelf, own_products
from state.candidates.sources.store import NOTHING, Resolved
from state.catalogue.catalogue import UNLISTED, Rows
from state.kernels import gather


class Candidates:
    """n candidates: catalogue `rows` (n,), what was offered them from, and the codes of their sources (n,).

    `codes` of their categories and `product_ids`, in the same order, are looked up in the catalogue's columns once they are
    needed, where they are not given.
    """

    def __init__(
        self,
        rows: Rows,
        codes: Rows | None = None,
        product_ids: list[str] | None = None,
        *,
        column_of_codes: Rows | None = None,
        column_of_ids: Sequence[str] = (),
        offered: CandidateLists | None = None,
        codes_of_sources: Rows | None = None,
    ) -> None:
        self.rows = rows
        self.offered = offered
        self.sources = np.zeros(len(rows), dtype=np.int64) if codes_of_sources is None else codes_of_sources
        self._codes = codes
        self._product_ids = product_ids
        self._column_of_codes = column_of_codes
        self._column_of_ids = column_of_ids

    def __len__(self) -> int:
        """n."""
        return len(self.rows)

    @property
    def codes(self) -> Rows:
        """Codes of their categories, (n,)."""
        if self._codes is None:
            assert self._column_of_codes is not None
            self._codes = self._column_of_codes.take(self.rows)
        return self._codes

    @property
    def personal(self) -> NDArray[np.bool_]:
        """Whether what the session did led to each, (n,): to all where no product is held."""
        if self.offered is None:
            return np.ones(len(self.rows), dtype=np.bool_)
        return self.offered.are_personal(self.sources)

    @property
    def product_ids(self) -> list[str]:
        """Product ids, n."""
        if self._product_ids is None:
            names = self._column_of_ids
            self._product_ids = [names[row] for row in self.rows.tolist()]
        return self._product_ids

    def some(self, order: list[int]) -> tuple[list[int], list[str]]:
        """Return category codes and product ids of some of them."""
        if self._product_ids is not None:
            return self.codes[order].tolist(), [self._product_ids[index] for index in order]
        rows = self.rows[order].tolist()
        column, names = self._column_of_codes, self._column_of_ids
        assert column is not None
        return column[rows].tolist(), [names[row] for row in rows]


def find_candidates(
    asked: Asked,
    shelf: Shelf,
    limit: int,
    rng: np.random.Generator,
    wanted: Sequence[str] = (),
    expected: Resolved = NOTHING,
) -> Candidates:
    """Return what the sources offer, and products drawn from all that is held.

    `wanted` products come first, where they are held; what is `expected` of most fills up. Where no product is held at all, the
    session's own stand for themselves, unlisted.
    """
    catalogue = shelf.catalogue
    if not len(catalogue):
        own = [product for product in own_products(asked.interest) if product not in asked.hidden][:limit]
        nowhere = np.full(len(own), UNLISTED, dtype=np.int64)
        return Candidates(nowhere, nowhere, own, codes_of_sources=np.full(len(own), OWN))
    catalogue.make_room()
    return gathered(shelf.lists_for(asked, limit, wanted, expected), shelf, limit, rng)


def gathered(offered: CandidateLists, shelf: Shelf, limit: int, rng: np.random.Generator) -> Candidates:
    """Gather at most `limit` candidates of those lists."""
    catalogue = shelf.catalogue
    rows, sources = gather(
        offered.numbers,
        offered.pool,
        catalogue.active,
        np.array(offered.excluded, dtype=np.float64),
        rng.random(limit),
        offered.random,
        catalogue.stamp,
        catalogue.next_mark(),
    )
    return Candidates(
        rows,
        column_of_codes=catalogue.category,
        column_of_ids=catalogue.product_ids,
        offered=offered,
        codes_of_sources=sources,
    )
