"""The features that the shared linear model sees, by name and column. Scaling is fixed for a version of the set."""

FEATURE_SET = "shop-2"
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
)
DIMENSION = len(NAMES)
"""d, the number of features."""

CATEGORY_SHARE = NAMES.index("category_share")
OWN_RATE = tuple(map(NAMES.index, ("rate_log_ratio", "rate_times_category_share", "uncertainty")))
"""Columns that say what is known of the product's own rate, and so change as it is shown."""


def own_rate_columns(feature_set: str) -> list[int]:
    """`OWN_RATE` for this release's feature set, none for another."""
    return list(OWN_RATE) if feature_set == FEATURE_SET else []
