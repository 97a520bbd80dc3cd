"""Finding what the policy chooses from: at most a hundred products, never a scan of the catalogue."""

from collections.abc import Sequence

import numpy as np

from state.catalogue import UNLISTED, Catalogue
from state.features import Candidates
from state.interest import Interest
from state.kernels import gather

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
    catalogue.make_room()
    liked = sorted(((value, category) for category, value in interest.categories.items() if value > 0), reverse=True)
    quota = round(LIKED_SHARE * limit / LIKED_CATEGORIES)
    spans = [(start, min(quota, size)) for start, size in _spans(liked[:LIKED_CATEGORIES], catalogue)]
    rows = gather(
        np.array(catalogue.listed([*wanted, *own]), dtype=np.int64),
        np.array(spans, dtype=np.int64).reshape(-1, 2),
        catalogue.pool,
        catalogue.active,
        np.array(catalogue.listed(interest.disliked), dtype=np.int64),
        rng.random(limit),
        catalogue.stamp,
        catalogue.next_mark(),
    )
    return Candidates(rows, column_of_codes=catalogue.category, column_of_ids=catalogue.product_ids)


def _spans(liked: list[tuple[float, str]], catalogue: Catalogue) -> list[tuple[int, int]]:
    return [span for _, category in liked if (span := catalogue.span_of.get(category)) is not None]
