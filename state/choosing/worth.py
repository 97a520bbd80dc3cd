"""What the model expects of products by themselves: for a visitor of whom no more is known than that they like the category."""

import numpy as np
from numpy.typing import NDArray

from state.catalogue.catalogue import UNLISTED, Rows
from state.choosing.rates import Rates
from state.choosing.regional import Regional
from state.feature_set import Feature
from state.kernels.columns import ProductColumn
from state.model.posterior import Posterior

Values = NDArray[np.float64]

SHARE = 0.5
"""The category's share of what that visitor likes, and of what they visit."""
LISTED = 200
"""Products of a region's best."""


def worth(rates: Rates, posterior: Posterior) -> Values:
    """Return what is expected of each product of the catalogue, (rows,), a standard deviation of its own effect above the mean: one
    that was hardly shown is not left out for that.

    Of the features it has those that differ within a category; what a category or a region is liked for is the same for all of it.
    """
    table, theta = rates.table, posterior.theta
    rating = (table[:, ProductColumn.RATING] - 3.0) / 2.0
    price, relative_price = table[:, ProductColumn.PRICE], table[:, ProductColumn.RELATIVE_PRICE]
    total: Values = rates.effect + np.sqrt(rates.effect_variance)
    for feature, column in (
        (Feature.PRICE, price),
        (Feature.PRICE_SQUARED, price * price),
        (Feature.RATING, rating),
        (Feature.REVIEWS, table[:, ProductColumn.REVIEWS] / 12.0),
        (Feature.RATE_LOG_RATIO, table[:, ProductColumn.LOG_RATIO]),
        (Feature.RATE_TIMES_CATEGORY_SHARE, SHARE * table[:, ProductColumn.RATE]),
        (Feature.UNCERTAINTY, table[:, ProductColumn.UNCERTAINTY]),
        (Feature.RATING_TIMES_TASTE, SHARE * rating),
        (Feature.RELATIVE_PRICE, relative_price),
        (Feature.RELATIVE_PRICE_TIMES_TASTE, SHARE * relative_price),
    ):
        total = total + theta[feature] * column
    return total


def best_by_region(worth: Values, rows: Rows, codes: Rows, regional: Regional) -> dict[str, Rows]:
    """Return those of these rows (n,) of which most is expected, the best first: by region, and under "" for any other.

    `codes` (n,) are of their categories; what a category is liked for in a region counts as a product's own effect does in `worth`.
    """
    own = worth[np.where(rows < len(worth), rows, UNLISTED)]
    named = regional.regions[1:] if len(regional.effects) else []
    total = np.tile(own, (1 + len(named), 1))
    if named:
        is_known = codes < regional.effects.shape[1]
        effects = regional.effects[1:, codes[is_known]]
        total[1:, is_known] += effects[..., 0] + np.sqrt(effects[..., 1])
    order = np.argsort(-total, axis=1, kind="stable")[:, :LISTED]
    return {region: rows[of] for region, of in zip(["", *named], order, strict=True)}
