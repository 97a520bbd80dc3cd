"""Finding what the policy chooses from: at most a hundred products, never a scan of the catalogue."""

from collections.abc import Sequence

import numpy as np

from state.catalogue import UNLISTED
from state.features import Candidates
from state.kernels import gather
from state.sources.names import OWN
from state.sources.shelf import Asked, Offers, Shelf, own_products


def find_candidates(
    asked: Asked, shelf: Shelf, limit: int, rng: np.random.Generator, wanted: Sequence[str] = ()
) -> Candidates:
    """What the sources offer, and products drawn from all that is held.

    `wanted` products come first, where they are held. Where no product is held at all, the session's own stand for themselves,
    unlisted.
    """
    catalogue = shelf.catalogue
    if not len(catalogue):
        own = [product for product in own_products(asked.interest) if product not in asked.hidden][:limit]
        nowhere = np.full(len(own), UNLISTED, dtype=np.int64)
        return Candidates(nowhere, nowhere, own, codes_of_sources=np.full(len(own), OWN))
    catalogue.make_room()
    return gathered(shelf.offers(asked, limit, wanted), shelf, limit, rng)


def gathered(offers: Offers, shelf: Shelf, limit: int, rng: np.random.Generator) -> Candidates:
    """At most `limit` candidates of those that are offered."""
    catalogue = shelf.catalogue
    rows, sources = gather(
        offers.numbers,
        offers.pool,
        catalogue.active,
        np.array(offers.excluded, dtype=np.float64),
        rng.random(limit),
        offers.anywhere,
        catalogue.stamp,
        catalogue.next_mark(),
    )
    return Candidates(
        rows,
        column_of_codes=catalogue.category,
        column_of_ids=catalogue.product_ids,
        offers=offers,
        codes_of_sources=sources,
    )
