"""Finding what the policy chooses from: at most a hundred products, never a scan of the catalogue."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from state.catalogue import UNLISTED, Catalogue, Rows
from state.features import Candidates
from state.interest import Interest
from state.kernels import gather

OWN_LIMIT = 20
LIKED_CATEGORIES = 3
LIKED_SHARE = 0.6


class Sources(NamedTuple):
    """Where candidates come from: rows (k,) of products of the session's own, the first products of candidate lists as spans
    (s, 2: start and count) of the catalogue's pool, and rows of products that are not to be shown."""

    own: Rows
    spans: Rows
    disliked: Rows


def sources(
    interest: Interest,
    catalogue: Catalogue,
    limit: int,
    wanted: Sequence[str] = (),
    hidden: Collection[str] = (),
) -> Sources:
    """The `wanted` products and the session's own, where they are listed, and the best of the categories it likes; `hidden`
    products are kept out as disliked ones are."""
    own = catalogue.listed([*wanted, *_liked_products(interest)])
    liked = [(value, category) for category, value in interest.categories.items() if value > 0]
    if len(liked) > 1:
        liked.sort(reverse=True)
    quota = round(LIKED_SHARE * limit / LIKED_CATEGORIES)
    spans: list[int] = []
    for _, category in liked[:LIKED_CATEGORIES]:
        start, size = catalogue.span_of.get(category, (0, 0))
        spans += (start, min(quota, size))
    out = catalogue.listed((*interest.disliked, *hidden)) if interest.disliked or hidden else None
    disliked = np.array(out, dtype=np.int64) if out else _NO_ROWS
    return Sources(np.array(own, dtype=np.int64), np.array(spans, dtype=np.int64).reshape(-1, 2), disliked)


def find_candidates(
    interest: Interest,
    catalogue: Catalogue,
    limit: int,
    rng: np.random.Generator,
    wanted: Sequence[str] = (),
    hidden: Collection[str] = (),
) -> Candidates:
    """The session's own products, the best of the categories it likes, and products drawn from all candidate lists.

    `wanted` products come first, where they are listed. Where no product is listed at all, the session's own stand for
    themselves, unlisted.
    """
    if not len(catalogue):
        own = [product for product in _liked_products(interest) if product not in hidden][:limit]
        nowhere = np.full(len(own), UNLISTED, dtype=np.int64)
        return Candidates(nowhere, nowhere, own)
    catalogue.make_room()
    of = sources(interest, catalogue, limit, wanted, hidden)
    rows, personal = gather(
        of.own,
        of.spans,
        catalogue.pool,
        catalogue.active,
        of.disliked,
        rng.random(limit),
        catalogue.stamp,
        catalogue.next_mark(),
    )
    return Candidates(rows, column_of_codes=catalogue.category, column_of_ids=catalogue.product_ids, personal=personal)


def _liked_products(interest: Interest) -> list[str]:
    return [product for product, value in interest.products.items() if value > 0][:OWN_LIMIT]


_NO_ROWS: Rows = np.zeros(0, dtype=np.int64)
