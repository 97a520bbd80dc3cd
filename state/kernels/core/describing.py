"""Features of the candidates, as float16 holds them. The twin is `state/kernels/describing.py`."""

import math
from typing import Any

import numpy as np

from state.feature_set import DIMENSION, Feature
from state.kernels.core.layout import (
    OF_MOMENT,
    OFF_POOL,
    RESOLVED,
    T_CODE,
    T_DEVIATION,
    T_EFFECT,
    T_LOG_RATIO,
    T_NOVELTY,
    T_PRICE,
    T_PRICE_SQUARED,
    T_RATE,
    T_RATING,
    T_RELATIVE_PRICE,
    T_REVIEWS,
    T_UNCERTAINTY,
    TABLE_COLUMNS,
)
from state.kernels.core.memory import bits32, carray, from_bits32, loose, pointer
from state.kernels.core.record import resolved, row_of
from state.kernels.core.regional import local_of

MOST_UNREWARDED, HALFWAY_UNREWARDED = 4, 4.0
LANES = 16
"""Candidates are described so many at a time."""
PADDED = np.float32(-1e9)
"""Expected reward of a column behind the last candidate."""


@loose
def as_half(x: Any) -> Any:
    """Return a float32 as float16 holds it."""
    b = np.uint32(bits32(x))
    size = np.uint32(b & np.uint32(0x7FFFFFFF))
    if size < np.uint32(0x38800000):
        return np.float32(np.rint(x * np.float32(16777216.0)) * np.float32(2.0**-24))
    even = np.uint32((size >> np.uint32(13)) & np.uint32(1))
    near = np.uint32((size + np.uint32(0xFFF) + even) & np.uint32(0xFFFFE000))
    return from_bits32(np.uint32((b & np.uint32(0x80000000)) | near))


@loose
def _round_row(x: Any, wide: int) -> None:
    """Rounds a feature of all candidates to what float16 holds; below its normal numbers to multiples of 2⁻²⁴."""
    bits = x.view(np.uint32)
    for i in range(wide):
        b = np.uint32(bits[i])
        size = np.uint32(b & np.uint32(0x7FFFFFFF))
        small = np.float32(np.rint(x[i] * np.float32(16777216.0)) * np.float32(2.0**-24))
        even = np.uint32((size >> np.uint32(13)) & np.uint32(1))
        near = np.uint32((size + np.uint32(0xFFF) + even) & np.uint32(0xFFFFE000))
        near = np.uint32(0x7F800000) if near >= np.uint32(0x47800000) else near
        x[i] = small if size < np.uint32(0x38800000) else x[i]
        bits[i] = bits[i] if size < np.uint32(0x38800000) else np.uint32((b & np.uint32(0x80000000)) | near)


@loose
def _round_categories(s: Any, slot: Any) -> None:
    """Rounds what goes by the category alone, once for each: the first row stands for one that is not known."""
    for k in range(-1, s.n_kc):
        share, taste, vain = np.float32(0), np.float32(0), np.float32(0)
        if k >= 0:
            slot[int(s.kc[k, 0])] = k + 1
            share, taste = np.float32(s.kc[k, 1]), np.float32(s.kc[k, 2])
            vain = np.float32(s.kc[k, 3] / (s.kc[k, 3] + HALFWAY_UNREWARDED))
        of = s.kr[k + 1]
        of[0], of[1] = share, taste
        of[2], of[3], of[4] = as_half(share), as_half(taste), as_half(np.sqrt(taste))
        of[5], of[6] = as_half(vain), as_half(vain * taste)
        of[7] = np.float32(1.0) if share > 0 else np.float32(0.0)
    slot[0] = 0


@loose
def _look_up(s: Any, w: Any) -> None:
    """Fills in what is looked up by product and category."""
    x = s.x
    table = carray(pointer(w.features), (w.rated, TABLE_COLUMNS), np.float32)
    slot = carray(pointer(w.code_slot), w.codes, np.int32)
    categories = carray(pointer(w.category), w.rows, np.int64)
    _round_categories(s, slot)
    for i in range(s.n):
        row = s.rows[i]
        of = table[row if row < w.rated else 0]
        code = int(of[T_CODE])
        s.mean[i], s.deviation[i] = of[T_EFFECT], of[T_DEVIATION]
        x[Feature.PRICE, i], x[Feature.RATING, i] = of[T_PRICE], of[T_RATING]
        x[Feature.RELATIVE_PRICE, i], x[Feature.PRICE_SQUARED, i] = of[T_RELATIVE_PRICE], of[T_PRICE_SQUARED]
        x[Feature.REVIEWS, i], x[Feature.NOVELTY, i] = of[T_REVIEWS], of[T_NOVELTY]
        x[Feature.RATE_LOG_RATIO, i], x[Feature.UNCERTAINTY, i] = of[T_LOG_RATIO], of[T_UNCERTAINTY]
        x[Feature.RATE_TIMES_CATEGORY_SHARE, i] = of[T_RATE]
        kr = s.kr[slot[code]]
        s.raw_share[i], s.raw_taste[i] = kr[0], kr[1]
        x[Feature.CATEGORY_SHARE, i], x[Feature.TASTE, i], x[Feature.TASTE_ROOT, i] = kr[2], kr[3], kr[4]
        x[Feature.CATEGORY_UNREWARDED, i], x[Feature.CATEGORY_UNREWARDED_TIMES_TASTE, i] = kr[5], kr[6]
        x[Feature.CATEGORY_KNOWN, i] = kr[7]
        x[Feature.LAST_CATEGORY, i] = 1.0 if s.last_code and code == s.last_code else 0.0
        s.codes[i] = code
    for k in range(s.n_kc):
        slot[int(s.kc[k, 0])] = 0
    _add_moment(s, w)
    _add_regional(s, w)
    for i in range(s.n):
        s.codes[i] = categories[s.rows[i]]


@loose
def _add_moment(s: Any, w: Any) -> None:
    """Fills in what the moment says of categories; its list was asked for before."""
    if s.moment_len == 0:
        return
    number = resolved(s, w, OF_MOMENT, s.self_at + OFF_POOL + s.moment_off, s.moment_len)
    if number < 0:
        return
    of = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)[number]
    values = carray(pointer(of.values), of.n, np.float64)
    for i in range(s.n if of.n else 0):
        code = s.codes[i]
        s.x[Feature.MOMENT_MATCH, i] = as_half(np.float32(values[code])) if code < of.n else np.float32(0.0)


@loose
def _add_regional(s: Any, w: Any) -> None:
    """Adds to the own effects those of the categories and of the products in the session's region."""
    region = s.group_number
    if region < 0:
        return
    of = carray(pointer(w.regional), (w.n_regions, w.region_codes, 2), np.float64)[region]
    for i in range(s.n):
        code = s.codes[i]
        if code < w.region_codes:
            _add_effect(s, i, of[code, 0], of[code, 1])
    begin, n = local_of(w, region)
    rows, local = (
        carray(pointer(w.local_rows + 8 * begin), n, np.int64),
        carray(pointer(w.local + 16 * begin), (n, 2), np.float64),
    )
    stamp = carray(pointer(w.stamp), w.rows, np.int64)
    for t in range(n):
        i = stamp[rows[t]] - w.mark
        if 0 <= i < s.n:
            _add_effect(s, i, local[t, 0], local[t, 1])


@loose
def _add_effect(s: Any, i: int, mean: float, variance: float) -> None:
    s.mean[i] += np.float32(mean)
    deviation = np.float64(s.deviation[i])
    total = deviation * deviation + variance
    s.deviation[i] = np.float32(math.sqrt(total)) if total > 0 else np.float32(0.0)


@loose
def _add_products(s: Any, w: Any) -> None:
    """Fills in what the session knows of single products."""
    x, n = s.x, s.n
    stamp = carray(pointer(w.stamp), w.rows, np.int64)
    for k in range(s.n_aff):
        p = s.aff_list[k]
        row = row_of(s, w, p)
        if row == 0:
            continue
        i = stamp[row] - w.mark
        if 0 <= i < n:
            x[Feature.PRODUCT_AFFINITY, i] = as_half(np.float32(math.tanh(s.affinity[p] / 3.0)))
            x[Feature.PRODUCT_SEEN, i] = 1.0
    for v in range(s.n_vain):
        row = row_of(s, w, s.vain_list[v])
        i = stamp[row] - w.mark
        if row and 0 <= i < n:
            x[Feature.SHOWN_UNREWARDED, i] = min(s.vain[s.vain_list[v]], MOST_UNREWARDED) / MOST_UNREWARDED


@loose
def _add_lists(s: Any, w: Any) -> None:
    """Fills in what lists tell of their rows."""
    stamp = carray(pointer(w.stamp), w.rows, np.int64)
    for k in range(s.n_lists):
        column, length = s.lists[k, 2], s.lists[k, 5]
        if column >= 0:
            rows = carray(pointer(s.lists[k, 3]), length, np.int64)
            values = carray(pointer(s.lists[k, 4]), length, np.float64)
            for t in range(length):
                i = stamp[rows[t]] - w.mark
                if 0 <= i < s.n:
                    value = as_half(np.float32(values[t]))
                    if s.x[column, i] < value:
                        s.x[column, i] = value


@loose
def describe(s: Any, w: Any) -> None:
    """Fill in the features of all candidates, the own effects with their deviations, and neutral columns behind the last."""
    n, x = s.n, s.x
    wide = (n + LANES - 1) // LANES * LANES
    for column in (
        Feature.PRODUCT_AFFINITY,
        Feature.PRODUCT_SEEN,
        Feature.SHOWN_UNREWARDED,
        Feature.REGIONAL_POPULARITY,
        Feature.TRENDING,
        Feature.TOGETHER,
        Feature.MOMENT_MATCH,
    ):
        for i in range(wide):
            x[column, i] = 0.0
    _look_up(s, w)
    _add_products(s, w)
    _add_lists(s, w)
    for i in range(n, wide):
        for j in range(DIMENSION):
            x[j, i] = 0.0
        s.mean[i], s.deviation[i], s.raw_share[i], s.raw_taste[i] = PADDED, 0.0, 0.0, 0.0
    price, relative_price = np.float32(s.usual_price), np.float32(s.usual_relative_price)
    is_any = np.float32(s.n_usual_prices > 0)
    trust = as_half(np.float32(s.visits / (s.visits + 1.0)))
    for i in range(wide):
        taste = s.raw_taste[i]
        rating = (x[Feature.RATING, i] - np.float32(3.0)) * np.float32(0.5)
        own = x[Feature.RELATIVE_PRICE, i]
        x[Feature.RATING, i] = rating
        x[Feature.BIAS, i] = np.float32(1.0)
        x[Feature.RATE_TIMES_CATEGORY_SHARE, i] *= s.raw_share[i]
        x[Feature.PRICE_MATCH, i] = np.float32(-2.0) * is_any * abs(x[Feature.PRICE, i] - price)
        x[Feature.ACQUAINTANCE, i] = trust
        x[Feature.RATING_TIMES_TASTE, i] = rating * taste
        x[Feature.RELATIVE_PRICE_TIMES_TASTE, i] = own * taste
        x[Feature.RELATIVE_PRICE_TIMES_USUAL, i] = is_any * own * relative_price
        x[Feature.RELATIVE_PRICE_MATCH, i] = -is_any * abs(own - relative_price)
    for column in (
        Feature.PRICE,
        Feature.RATING,
        Feature.RATE_TIMES_CATEGORY_SHARE,
        Feature.PRICE_MATCH,
        Feature.RATING_TIMES_TASTE,
        Feature.RELATIVE_PRICE,
        Feature.RELATIVE_PRICE_TIMES_TASTE,
        Feature.RELATIVE_PRICE_TIMES_USUAL,
        Feature.RELATIVE_PRICE_MATCH,
    ):
        _round_row(x[column], wide)
