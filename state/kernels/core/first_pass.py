"""The first pass over what may be offered: the products of which most is expected in the session, by the mean alone."""

from typing import Any

import numpy as np

from state.feature_set import Feature
from state.kernels.core.memory import carray, entry, pointer

PASS_COLUMNS = 6
BASE, OF_SHARE, OF_TASTE, PRICE, RELATIVE_PRICE, CODE = range(PASS_COLUMNS)
"""Columns of what is known of each product beforehand: what is expected of it whoever comes; what of it grows with its category's
share of what the session likes, and with that of its visits; and what a session's own prices and categories are held against."""
HALFWAY_UNREWARDED = 4.0
"""As in `describing.py`."""


@entry
def find_best(
    products: int,
    n: int,
    known: int,
    n_known: int,
    last_code: int,
    regional: int,
    n_regional: int,
    places: int,
    local: int,
    n_local: int,
    by_place: int,
    price: float,
    relative_price: float,
    theta: int,
    codes: int,
    n_codes: int,
    scores: int,
    best: int,
    most: int,
) -> Any:
    """Find the `most` products of the n of which most is expected in a session, the best first; return how many there are.

    All that is no number is an address. `products` (n, 6) float64 has the columns above. Of the session, `known` (n_known, 4)
    float64 are `CategoryColumn`s, `regional` (n_regional, 2) the effects of categories by code, `local` (n_local, 2) those of
    products, whose indices are `places` (n_local,) int64, -1 where there is none; `price` and `relative_price` are the means of the
    products that it likes, NaN if it likes none. `theta` (d,) are the coefficients, `codes` (n_codes, 3) and `by_place` (n,)
    float64 scratch that is all zero before and after. `best` (most,) int64 takes indices into `products`, `scores` (most,) float64
    what is expected of them.
    """
    t = carray(pointer(theta), 1 + Feature.MOMENT_MATCH, np.float64)
    of, table = (
        carray(pointer(codes), (n_codes, 3), np.float64),
        carray(pointer(products), (n, PASS_COLUMNS), np.float64),
    )
    categories = carray(pointer(known), (n_known, 4), np.float64)
    effects = carray(pointer(regional), (n_regional, 2), np.float64)
    of_products, at_places = (
        carray(pointer(local), (n_local, 2), np.float64),
        carray(pointer(places), n_local, np.int64),
    )
    added = carray(pointer(by_place), n, np.float64)
    found, at = carray(pointer(scores), most, np.float64), carray(pointer(best), most, np.int64)
    for k in range(n_known):
        code = int(categories[k, 0])
        if 0 < code < n_codes:
            share, taste = categories[k, 1], categories[k, 2]
            vain = categories[k, 3] / (categories[k, 3] + HALFWAY_UNREWARDED)
            term = t[Feature.CATEGORY_SHARE] * share + t[Feature.TASTE] * taste + t[Feature.TASTE_ROOT] * np.sqrt(taste)
            term += (t[Feature.CATEGORY_UNREWARDED] + t[Feature.CATEGORY_UNREWARDED_TIMES_TASTE] * taste) * vain
            if share > 0:
                term += t[Feature.CATEGORY_KNOWN]
            of[code, 0], of[code, 1], of[code, 2] = term, share, taste
    for k in range(n_local):
        if at_places[k] >= 0:
            added[at_places[k]] = of_products[k, 0]
    has_prices = price == price
    count = 0
    for i in range(n):
        code = int(table[i, CODE])
        score = table[i, BASE] + added[i]
        if code < n_codes:
            score += of[code, 0] + of[code, 1] * table[i, OF_SHARE] + of[code, 2] * table[i, OF_TASTE]
        if code < n_regional:
            score += effects[code, 0]
        if last_code and code == last_code:
            score += t[Feature.LAST_CATEGORY]
        if has_prices:
            own = table[i, RELATIVE_PRICE]
            score += t[Feature.RELATIVE_PRICE_TIMES_USUAL] * own * relative_price
            score -= t[Feature.RELATIVE_PRICE_MATCH] * abs(own - relative_price)
            score -= 2.0 * t[Feature.PRICE_MATCH] * abs(table[i, PRICE] - price)
        if count < most or score > found[most - 1]:
            place = count if count < most else most - 1
            while place > 0 and score > found[place - 1]:
                found[place], at[place] = found[place - 1], at[place - 1]
                place -= 1
            found[place], at[place] = score, i
            count = min(count + 1, most)
    for k in range(n_known):
        code = int(categories[k, 0])
        if 0 < code < n_codes:
            of[code, 0], of[code, 1], of[code, 2] = 0.0, 0.0, 0.0
    for k in range(n_local):
        if at_places[k] >= 0:
            added[at_places[k]] = 0.0
    return count
