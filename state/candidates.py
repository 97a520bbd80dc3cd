"""Finding what the policy chooses from: at most a hundred products, never a scan of the catalogue."""

import numpy as np

from state.catalogue import UNLISTED, Catalogue
from state.features import Candidates
from state.interest import Interest

OWN_LIMIT = 20
LIKED_CATEGORIES = 3
LIKED_SHARE = 0.6


def find_candidates(interest: Interest, catalogue: Catalogue, limit: int, rng: np.random.Generator) -> Candidates:
    """The session's own products, the best of the categories it likes, and products drawn from all candidate lists.

    Where no product is listed at all, the session's own stand for themselves, unlisted.
    """
    own = [product for product, value in interest.products.items() if value > 0][:OWN_LIMIT]
    if not len(catalogue):
        own = own[:limit]
        return Candidates(np.full(len(own), UNLISTED, dtype=np.int64), own, [""] * len(own))
    rows = dict.fromkeys(catalogue.listed(own))
    liked = sorted(((value, category) for category, value in interest.categories.items() if value > 0), reverse=True)
    quota = round(LIKED_SHARE * limit / LIKED_CATEGORIES)
    for _, category in liked[:LIKED_CATEGORIES]:
        best = catalogue.best_of.get(category)
        if best is not None:
            rows.update(dict.fromkeys(best[:quota].tolist()))
    pool = catalogue.pool
    missing = limit - len(rows)
    if len(pool) <= missing:
        rows.update(dict.fromkeys(pool.tolist()))
    elif missing > 0:
        rows.update(dict.fromkeys(pool[rng.integers(len(pool), size=missing)].tolist()))
    active = catalogue.active
    chosen = [row for row in rows if active[row]][:limit]
    codes = catalogue.category[chosen].tolist()
    return Candidates(
        np.array(chosen, dtype=np.int64),
        [catalogue.product_ids[row] for row in chosen],
        [catalogue.category_ids[code] for code in codes],
    )
