"""The features that the shared linear model sees, by name and column. Scaling is fixed for a version of the set."""

from enum import IntEnum
from struct import Struct

import numpy as np
from numpy.typing import NDArray

FEATURE_SET = "shop-3"


class Feature(IntEnum):
    """The columns of x by name: the one table of them, for Python and for the kernels."""

    BIAS = 0
    PRICE = 1
    PRICE_SQUARED = 2
    RATING = 3
    REVIEWS = 4
    NOVELTY = 5
    CATEGORY_SHARE = 6
    CATEGORY_KNOWN = 7
    PRODUCT_AFFINITY = 8
    PRODUCT_SEEN = 9
    LAST_CATEGORY = 10
    RATE_LOG_RATIO = 11
    RATE_TIMES_CATEGORY_SHARE = 12
    UNCERTAINTY = 13
    SHOWN_UNREWARDED = 14
    PRICE_MATCH = 15
    TASTE = 16
    TASTE_ROOT = 17
    ACQUAINTANCE = 18
    RATING_TIMES_TASTE = 19
    CATEGORY_UNREWARDED = 20
    CATEGORY_UNREWARDED_TIMES_TASTE = 21
    RELATIVE_PRICE = 22
    RELATIVE_PRICE_TIMES_TASTE = 23
    RELATIVE_PRICE_TIMES_USUAL = 24
    RELATIVE_PRICE_MATCH = 25
    REGIONAL_POPULARITY = 26
    TRENDING = 27
    TOGETHER = 28
    MOMENT_MATCH = 29


NAMES = tuple(feature.name.lower() for feature in Feature)
DIMENSION = len(NAMES)
"""d, the number of features."""

_HALF = Struct("<e")


def value_in(x: bytes, feature: Feature) -> float | None:
    """Read one feature from the float16 bytes of an item, None if they do not have it."""
    if len(x) < _HALF.size * (feature + 1):
        return None
    value: float = _HALF.unpack_from(x, _HALF.size * feature)[0]
    return value


_PRIOR = {
    "bias": 0.02,
    "rating": 0.01,
    "reviews": 0.005,
    "novelty": 0.005,
    "category_known": 0.01,
    "product_affinity": 0.01,
    "last_category": 0.005,
    "rate_log_ratio": 0.03,
    "rate_times_category_share": 0.1,
    "taste": 0.015,
    "taste_root": 0.01,
    "rating_times_taste": 0.005,
    "relative_price_times_taste": -0.01,
    "relative_price_times_usual": 0.01,
    "regional_popularity": 0.03,
    "trending": 0.01,
    "together": 0.03,
    "moment_match": 0.01,
}
"""What is expected of the coefficients before anything is known, in units of reward: about the mean of what shops of very
different forms teach, see docs/decisions/0041-a-prior-from-many-shops.md."""


def prior_of(feature_set: str, dimension: int) -> NDArray[np.float64]:
    """Return θ₀, (d,): the mean of the prior over the coefficients; zeros for a feature set of another release."""
    if (feature_set, dimension) != (FEATURE_SET, DIMENSION):
        return np.zeros(dimension)
    return np.array([_PRIOR.get(name, 0.0) for name in NAMES])


OWN_RATE = (Feature.RATE_LOG_RATIO, Feature.RATE_TIMES_CATEGORY_SHARE, Feature.UNCERTAINTY)
"""Columns that say what is known of the product's own rate, and so change as it is shown."""


def own_rate_columns(feature_set: str) -> list[int]:
    """Return `OWN_RATE` for this release's feature set, none for another."""
    return list(OWN_RATE) if feature_set == FEATURE_SET else []
