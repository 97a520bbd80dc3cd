"""Features of a candidate in a context: what the shared linear model sees. Scaling is fixed for a feature-set version."""

from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.catalogue import DEARNESS, PRICE, RATING, REVIEWS, UNLISTED, Catalogue, Rows
from state.feature_set import DIMENSION, FEATURE_SET, NAMES
from state.interest import Interest
from state.rates import Rates

__all__ = ["DIMENSION", "FEATURE_SET", "NAMES", "Candidates", "Context", "Features", "features"]

Features = NDArray[np.float16]

NOVELTY_MS = 30 * 24 * 3_600_000
MOST_IN_VAIN = 4
HALFWAY_IN_VAIN = 4
"""Exposures in vain at which a category's `category_in_vain` is one half."""


class Context(msgspec.Struct, frozen=True):
    """What a session brings to the choice.

    `shown_in_vain` counts by product how often it was shown without a reward, `category_in_vain` the same by category.
    """

    interest: Interest
    last_category: str
    shown_in_vain: Mapping[str, int]
    now_ms: int
    category_in_vain: Mapping[str, int] = {}


class Candidates(msgspec.Struct, frozen=True):
    """n candidates: catalogue rows, codes of categories, and product ids, all of length n and in the same order."""

    rows: Rows
    codes: Rows
    product_ids: list[str]


def features(candidates: Candidates, context: Context, catalogue: Catalogue, rates: Rates) -> Features:
    """The n × d matrix of features in float16: the very numbers that are scored, logged and learned."""
    rows, interest = candidates.rows, context.interest
    columns = np.zeros((DIMENSION, len(rows)), dtype=np.float32)  # by feature, so that each is written in one piece
    static = catalogue.static.take(rows, axis=0).T
    price, dearness = static[PRICE], static[DEARNESS]
    share, taste, in_vain = _by_category(candidates, context, catalogue)
    columns[0] = 1
    columns[1] = price
    np.multiply(price, price, out=columns[2])
    columns[3] = (static[RATING] - 3) / 2
    columns[4] = static[REVIEWS] / 12
    created_ms = catalogue.created_ms.take(rows)
    columns[5] = np.exp(np.minimum(0.0, created_ms - context.now_ms) / NOVELTY_MS) * (created_ms > 0)
    columns[6] = share
    columns[7] = share > 0
    _fill_by_product(columns, candidates.product_ids, context)
    columns[10] = _last_category(candidates, context, catalogue)
    rated_rows = rates.known(rows)
    columns[11] = rates.log_ratio.take(rated_rows)
    columns[12] = rates.rate.take(rated_rows) * share
    columns[13] = rates.uncertainty.take(rated_rows)
    columns[16] = taste
    np.sqrt(taste, out=columns[17])
    visits = sum(interest.visits.values())
    columns[18] = visits / (visits + 1)
    np.multiply(columns[3], taste, out=columns[19])
    columns[20] = in_vain
    np.multiply(in_vain, taste, out=columns[21])
    columns[22] = dearness
    np.multiply(dearness, taste, out=columns[23])
    _fill_by_price(columns, price, dearness, rows, interest, catalogue)
    return np.ascontiguousarray(columns.astype(np.float16).T)


def _by_category(candidates: Candidates, context: Context, catalogue: Catalogue) -> NDArray[np.float32]:
    """What the session knows of each candidate's category, (3, n): its share of what the session likes, its share of the visits
    with one more visit elsewhere, and how often it was shown in vain, as v/(v + HALFWAY_IN_VAIN)."""
    by_code = np.zeros((3, len(catalogue.category_ids)), dtype=np.float32)
    interest, code_of = context.interest, catalogue.code_of
    liked = {category: value for category, value in interest.categories.items() if value > 0}
    if liked:
        scale = 1 / sum(liked.values())
        for category, value in liked.items():
            by_code[0, code_of(category)] = value * scale
    if interest.visits:
        scale = 1 / (1 + sum(interest.visits.values()))
        for category, visits in interest.visits.items():
            by_code[1, code_of(category)] = visits * scale
    for category, times in context.category_in_vain.items():
        by_code[2, code_of(category)] = times / (times + HALFWAY_IN_VAIN)
    by_code[:, UNLISTED] = 0
    return by_code.take(candidates.codes, axis=1)


def _last_category(candidates: Candidates, context: Context, catalogue: Catalogue) -> NDArray[np.bool_] | float:
    """Whether a candidate is of the category of the newest event, (n,)."""
    code = catalogue.code_of(context.last_category)
    return candidates.codes == code if code else 0.0


def _fill_by_product(columns: NDArray[np.float32], product_ids: list[str], context: Context) -> None:
    """What the session knows of single products: few of the candidates, so they are looked for by id."""
    affinity, in_vain = context.interest.products, context.shown_in_vain
    touched = [i for i, product in enumerate(product_ids) if product in affinity]
    if touched:
        columns[8, touched] = np.tanh([affinity[product_ids[i]] / 3 for i in touched])
        columns[9, touched] = 1
    shown = [i for i, product in enumerate(product_ids) if product in in_vain] if in_vain else []
    if shown:
        columns[14, shown] = [min(in_vain[product_ids[i]], MOST_IN_VAIN) / MOST_IN_VAIN for i in shown]


def _fill_by_price(
    columns: NDArray[np.float32],
    price: NDArray[np.float32],
    dearness: NDArray[np.float32],
    rows: Rows,
    interest: Interest,
    catalogue: Catalogue,
) -> None:
    """Minus the distances to the mean price and dearness of the products that the session looked at; 0 where it saw none."""
    seen = catalogue.listed(product for product, value in interest.products.items() if value > 0)
    if not seen:
        return
    usual = catalogue.static.take(seen, axis=0).sum(axis=0) / np.float32(len(seen))
    listed = (rows != UNLISTED) * np.float32(-1)
    columns[15] = np.abs(price - usual[PRICE]) * (2 * listed)
    np.multiply(dearness, usual[DEARNESS], out=columns[24])
    columns[25] = np.abs(dearness - usual[DEARNESS]) * listed
