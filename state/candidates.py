"""Finding what the policy chooses from: at most a hundred products, never a scan of the catalogue."""

from collections.abc import Sequence

import numpy as np

from state.catalogue import UNLISTED, Catalogue, Rows
from state.features import Candidates
from state.interest import Interest

OWN_LIMIT = 20
LIKED_CATEGORIES = 3
LIKED_SHARE = 0.6


def find_candidates(
    interest: Interest, catalogue: Catalogue, limit: int, rng: np.random.Generator, wanted: Sequence[str] = ()
) -> Candidates:
    """The session's own products, the best of the categories it likes, and products drawn from all candidate lists.

    `wanted` products come first, where they are listed. Where no product is listed at all, the session's own stand for
    themselves, unlisted.
    """
    own = [product for product, value in interest.products.items() if value > 0][:OWN_LIMIT]
    if not len(catalogue):
        own = own[:limit]
        nowhere = np.full(len(own), UNLISTED, dtype=np.int64)
        return Candidates(nowhere, nowhere, own)
    rows = catalogue.listed([*wanted, *own])
    liked = sorted(((value, category) for category, value in interest.categories.items() if value > 0), reverse=True)
    quota = round(LIKED_SHARE * limit / LIKED_CATEGORIES)
    for _, category in liked[:LIKED_CATEGORIES]:
        best = catalogue.best_of.get(category)
        if best is not None:
            rows += best[:quota].tolist()
    missing = limit - len(dict.fromkeys(rows))
    if missing > 0:
        rows += _drawn(catalogue.pool, missing, rng).tolist()
    distinct = np.array(list(dict.fromkeys(rows)), dtype=np.int64)
    eligible = catalogue.active.take(distinct)
    if interest.disliked:
        eligible &= ~np.isin(distinct, catalogue.listed(interest.disliked))
    chosen = distinct[eligible][:limit]
    product_ids = catalogue.product_ids
    return Candidates(chosen, catalogue.category.take(chosen), [product_ids[row] for row in chosen.tolist()])


def _drawn(pool: Rows, count: int, rng: np.random.Generator) -> Rows:
    """At most `count` rows of the pool: all where it holds no more, else drawn with replacement."""
    if len(pool) <= count:
        return pool
    return pool.take((rng.random(count) * len(pool)).astype(np.int64))
