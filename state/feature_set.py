"""The features that the shared linear model sees, by name and column. Scaling is fixed for a version of the set."""

import numpy as np
from numpy.typing import NDArray

FEATURE_SET = "shop-3"
NAMES = (
    "bias",
    "price",
    "price_squared",
    "rating",
    "reviews",
    "novelty",
    "category_share",
    "category_known",
    "product_affinity",
    "product_seen",
    "last_category",
    "rate_log_ratio",
    "rate_times_category_share",
    "uncertainty",
    "shown_in_vain",
    "price_match",
    "taste",
    "taste_root",
    "acquaintance",
    "rating_times_taste",
    "category_in_vain",
    "category_in_vain_times_taste",
    "dearness",
    "dearness_times_taste",
    "dearness_times_usual",
    "dearness_match",
    "regional_popularity",
    "trending",
    "together",
    "moment_match",
)
DIMENSION = len(NAMES)
"""d, the number of features."""

REGIONAL_POPULARITY, TRENDING, TOGETHER, MOMENT_MATCH = range(DIMENSION - 4, DIMENSION)

_PRIOR = {
    "bias": 0.03,
    "rating": 0.02,
    "reviews": 0.01,
    "novelty": 0.005,
    "category_share": 0.03,
    "last_category": 0.01,
    "product_affinity": 0.01,
    "regional_popularity": 0.03,
    "trending": 0.01,
    "together": 0.03,
    "moment_match": 0.01,
}
"""What is expected of the coefficients before anything is known, in units of reward: what shops sell by without a model."""


def prior_of(feature_set: str, dimension: int) -> NDArray[np.float64]:
    """θ₀, (d,): the mean of the prior over the coefficients; zeros for a feature set of another release."""
    if (feature_set, dimension) != (FEATURE_SET, DIMENSION):
        return np.zeros(dimension)
    return np.array([_PRIOR.get(name, 0.0) for name in NAMES])


CATEGORY_SHARE = NAMES.index("category_share")
OWN_RATE = tuple(map(NAMES.index, ("rate_log_ratio", "rate_times_category_share", "uncertainty")))
"""Columns that say what is known of the product's own rate, and so change as it is shown."""


def own_rate_columns(feature_set: str) -> list[int]:
    """`OWN_RATE` for this release's feature set, none for another."""
    return list(OWN_RATE) if feature_set == FEATURE_SET else []
