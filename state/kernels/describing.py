"""Features of candidates: what the model sees of a product in the context of a session."""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import carray

from state.feature_set import DIMENSION, Feature
from state.kernels.columns import (
    LIST_HEAD,
    LIST_PART,
    OWN_COLUMNS,
    CategoryColumn,
    KnownColumn,
    ListHead,
    ListPart,
    ProductColumn,
)
from state.kernels.compiled import compiled, pointer
from state.kernels.halves import round_as_half

NOVELTY_MS = 30 * 24 * 3_600_000
MOST_UNREWARDED = 4
HALFWAY_UNREWARDED = 4
"""Unrewarded exposures at which a category's `category_unrewarded` is one half."""
NO_AFFINITY = -1e30
OWN_COUNT = len(OWN_COLUMNS)


class Known(NamedTuple):
    """Knowledge of a session when it asks.

    `categories` (c, 4) are `CategoryColumn`s of each category that it knows, `products` (p, 3) `KnownColumn`s of each product,
    with NO_AFFINITY if it has none. `lists` give features that few candidates have, in the form of `CandidateLists.lists`; of
    several values the largest counts. `moment` (m,) is what the moment says of each category by code. `regional` (r, 2) are
    mean and variance of each category's effect in the session's region, by code; `local` (l, 2) are those of the products of
    `local_rows` (l,) there, which add to it.
    """

    categories: Any
    products: Any
    now_ms: float
    last_code: int
    visits: float
    lists: Any
    moment: Any
    regional: Any
    local_rows: Any
    local: Any


class Scratch(NamedTuple):
    """Memory by the catalogue's numbers: `code_slot` is all zero before and after a call; in `stamp` no row holds `mark` or more
    before it, except those of the candidates, where the i-th holds mark + i."""

    code_slot: Any
    stamp: Any
    mark: int


@compiled
def describe(rows: Any, table: Any, known: Any, scratch: Any, theta: Any) -> Any:
    """Describe all that is known of the candidates `rows` (n,) before a policy looks at them.

    Returns their features (d, n) float32, a row for each feature, as float16 holds them; their expected rewards (n,) under `theta`
    (d,) with the own effect of each; and the `OWN_COLUMNS` of the table as (5, n).

    `table` (rated, 16) float32 is `Rates.table`, a row in one line of the cache; rows beyond it are taken as row 0. `known` is a
    `Known`, `scratch` a `Scratch`.
    """
    n, stamp, mark, products = len(rows), scratch.stamp, scratch.mark, known.products
    for i in range(n):
        stamp[rows[i]] = mark + i
    x, own = _looked_up(rows, table, known, scratch.code_slot)
    for t in range(len(known.local_rows)):
        i = stamp[known.local_rows[t]] - mark
        if 0 <= i < n:
            own[0, i] += known.local[t, 0]
            own[1, i] = max(0.0, own[1, i] + known.local[t, 1])
    for p in range(len(products)):
        i = stamp[int(products[p, KnownColumn.ROW])] - mark
        if 0 <= i < n:
            affinity = products[p, KnownColumn.AFFINITY]
            if affinity > NO_AFFINITY:
                x[Feature.PRODUCT_AFFINITY, i], x[Feature.PRODUCT_SEEN, i] = math.tanh(affinity / 3.0), 1.0
            unrewarded = min(products[p, KnownColumn.UNREWARDED], MOST_UNREWARDED)
            x[Feature.SHOWN_UNREWARDED, i] = unrewarded / MOST_UNREWARDED
    _add_list_features(x, known.lists, stamp, mark)
    _combine(x, rows, known.visits, _usual(products, table))
    round_as_half(x.ravel())
    return x, _expected(x, own[0], theta), own


@compiled
def _looked_up(rows: Any, table: Any, known: Any, code_slot: Any) -> Any:
    """The features that are looked up for each candidate, 0 for those of single products, the others still empty, and the
    columns of the table that `describe` returns."""
    n, rated, categories, moment = len(rows), len(table), known.categories, known.moment
    now_ms, last_code, regional = known.now_ms, known.last_code, known.regional
    x, own = np.empty((DIMENSION, n), np.float32), np.empty((OWN_COUNT, n))
    x[Feature.PRODUCT_AFFINITY] = 0.0
    x[Feature.PRODUCT_SEEN] = 0.0
    x[Feature.SHOWN_UNREWARDED] = 0.0
    x[Feature.REGIONAL_POPULARITY] = 0.0
    x[Feature.TRENDING] = 0.0
    x[Feature.TOGETHER] = 0.0
    for c in range(len(categories)):
        code_slot[int(categories[c, CategoryColumn.CODE])] = c + 1
    code_slot[0] = 0
    for i in range(n):
        row = rows[i]
        of = table[row if row < rated else 0]
        code, created_ms = int(of[ProductColumn.CODE]), of[ProductColumn.CREATED_MS]
        for c in range(OWN_COUNT):
            own[c, i] = of[ProductColumn.EFFECT + c]
        if code < len(regional):
            own[0, i] += regional[code, 0]
            own[1, i] += regional[code, 1]
        x[Feature.PRICE, i] = of[ProductColumn.PRICE]
        x[Feature.RATING, i] = (of[ProductColumn.RATING] - 3.0) / 2.0
        x[Feature.REVIEWS, i] = of[ProductColumn.REVIEWS] / 12.0
        x[Feature.NOVELTY, i] = math.exp(min(0.0, created_ms - now_ms) / NOVELTY_MS) if created_ms > 0 else 0.0
        share, taste, unrewarded = 0.0, 0.0, 0.0
        if code_slot[code]:
            category = categories[code_slot[code] - 1]
            share, taste = category[CategoryColumn.SHARE], category[CategoryColumn.TASTE]
            unrewarded = category[CategoryColumn.UNREWARDED]
        x[Feature.CATEGORY_SHARE, i] = share
        x[Feature.TASTE, i] = taste
        x[Feature.CATEGORY_UNREWARDED, i] = unrewarded / (unrewarded + HALFWAY_UNREWARDED)
        x[Feature.LAST_CATEGORY, i] = 1.0 if last_code and code == last_code else 0.0
        x[Feature.RATE_LOG_RATIO, i] = of[ProductColumn.LOG_RATIO]
        x[Feature.RATE_TIMES_CATEGORY_SHARE, i] = of[ProductColumn.RATE]
        x[Feature.UNCERTAINTY, i] = of[ProductColumn.UNCERTAINTY]
        x[Feature.RELATIVE_PRICE, i] = of[ProductColumn.RELATIVE_PRICE]
        x[Feature.MOMENT_MATCH, i] = moment[code] if code < len(moment) else 0.0
    for c in range(len(categories)):
        code_slot[int(categories[c, CategoryColumn.CODE])] = 0
    return x, own


@compiled
def _add_list_features(x: Any, lists: Any, stamp: Any, mark: int) -> None:
    """Sets the features that lists give their rows."""
    n, at = x.shape[1], 0
    while at < len(lists):
        head = lists[at : at + LIST_HEAD]
        feature, parts, size = int(head[ListHead.FEATURE]), int(head[ListHead.PARTS]), int(head[ListHead.SIZE])
        at += LIST_HEAD
        for part in range(at, at + LIST_PART * parts if feature >= 0 else at, LIST_PART):
            length = int(lists[part + ListPart.SIZE])
            rows = carray(pointer(int(lists[part + ListPart.ROWS])), length, np.int64)
            values = carray(pointer(int(lists[part + ListPart.VALUES])), length, np.float64)
            for t in range(length):
                i = stamp[rows[t]] - mark
                if 0 <= i < n and x[feature, i] < values[t]:
                    x[feature, i] = values[t]
        at += LIST_PART * parts if parts else size


class _Usual(NamedTuple):
    """Means over the products that the session likes, and how many they are."""

    price: float
    relative_price: float
    products: int


@compiled
def _usual(products: Any, table: Any) -> Any:
    """Mean price and relative price of the products that the session likes."""
    price, relative_price, seen = 0.0, 0.0, 0
    for p in range(len(products)):
        row = int(products[p, KnownColumn.ROW])
        if products[p, KnownColumn.AFFINITY] > 0 and row < len(table):
            price += table[row, ProductColumn.PRICE]
            relative_price += table[row, ProductColumn.RELATIVE_PRICE]
            seen += 1
    return _Usual(price / max(1, seen), relative_price / max(1, seen), seen)


@compiled
def _combine(x: Any, rows: Any, visits: float, usual: Any) -> None:
    """The features that follow from those looked up; one loop without branches over all candidates."""
    trust, is_any = np.float32(visits / (visits + 1.0)), np.float32(usual.products > 0)
    price, relative_price = np.float32(usual.price), np.float32(usual.relative_price)
    for i in range(len(rows)):
        share, taste = x[Feature.CATEGORY_SHARE, i], x[Feature.TASTE, i]
        is_listed = is_any if rows[i] else np.float32(0.0)
        own_price, own_relative_price = x[Feature.PRICE, i], x[Feature.RELATIVE_PRICE, i]
        x[Feature.BIAS, i] = 1.0
        x[Feature.PRICE_SQUARED, i] = own_price * own_price
        x[Feature.CATEGORY_KNOWN, i] = 1.0 if share > 0 else 0.0
        x[Feature.RATE_TIMES_CATEGORY_SHARE, i] *= share
        x[Feature.PRICE_MATCH, i] = np.float32(-2.0) * is_listed * abs(own_price - price)
        x[Feature.TASTE_ROOT, i] = np.sqrt(taste)
        x[Feature.ACQUAINTANCE, i] = trust
        x[Feature.RATING_TIMES_TASTE, i] = x[Feature.RATING, i] * taste
        x[Feature.CATEGORY_UNREWARDED_TIMES_TASTE, i] = x[Feature.CATEGORY_UNREWARDED, i] * taste
        x[Feature.RELATIVE_PRICE_TIMES_TASTE, i] = own_relative_price * taste
        x[Feature.RELATIVE_PRICE_TIMES_USUAL, i] = is_any * own_relative_price * relative_price
        x[Feature.RELATIVE_PRICE_MATCH, i] = -is_listed * abs(own_relative_price - relative_price)


@compiled
def _expected(x: Any, effect: Any, theta: Any) -> Any:
    mean = effect.copy()
    for j in range(len(x)):
        for i in range(len(mean)):
            mean[i] += theta[j] * x[j, i]
    return mean
