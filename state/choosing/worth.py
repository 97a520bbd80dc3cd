"""What the model expects of products by themselves, and how that goes by who comes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.feature_set import Feature
from state.kernels.columns import ProductColumn
from state.kernels.core.first_pass import BASE, CODE, OF_SHARE, OF_TASTE, PASS_COLUMNS, PRICE, RELATIVE_PRICE

Values = NDArray[np.float64]

SHARE = 0.5
"""The category's share of what a visitor likes, and of what they visit, of whom no more is known than that they like it."""


def by_themselves(table: NDArray[Any], theta: Values) -> Values:
    """Return what is expected of products whoever comes, and what of it goes by the visitor, (n, 6) as `find_best` reads it.

    `table` (n, 16) are rows of `Rates.table`. What is expected is a standard deviation of the product's own effect above the mean:
    one that was hardly shown is not left out for that. Of the features it has those that are the product's own.
    """
    rating = (table[:, ProductColumn.RATING] - 3.0) / 2.0
    price, relative_price = table[:, ProductColumn.PRICE], table[:, ProductColumn.RELATIVE_PRICE]
    total = table[:, ProductColumn.EFFECT] + np.sqrt(table[:, ProductColumn.EFFECT_VARIANCE]).astype(np.float64)
    for feature, column in (
        (Feature.PRICE, price),
        (Feature.PRICE_SQUARED, price * price),
        (Feature.RATING, rating),
        (Feature.REVIEWS, table[:, ProductColumn.REVIEWS] / 12.0),
        (Feature.RATE_LOG_RATIO, table[:, ProductColumn.LOG_RATIO]),
        (Feature.UNCERTAINTY, table[:, ProductColumn.UNCERTAINTY]),
        (Feature.RELATIVE_PRICE, relative_price),
    ):
        total += theta[feature] * column
    found = np.zeros((len(table), PASS_COLUMNS))
    found[:, BASE] = total
    found[:, OF_SHARE] = theta[Feature.RATE_TIMES_CATEGORY_SHARE] * table[:, ProductColumn.RATE]
    found[:, OF_TASTE] = theta[Feature.RATING_TIMES_TASTE] * rating
    found[:, OF_TASTE] += theta[Feature.RELATIVE_PRICE_TIMES_TASTE] * relative_price
    found[:, PRICE], found[:, RELATIVE_PRICE] = price, relative_price
    found[:, CODE] = table[:, ProductColumn.CODE]
    return found


def worth(table: NDArray[Any], theta: Values) -> Values:
    """Return what is expected of products, (n,), for a visitor of whom no more is known than that they like the category."""
    found = by_themselves(table, theta)
    expected: Values = found[:, BASE] + SHARE * (found[:, OF_SHARE] + found[:, OF_TASTE])
    return expected
