"""The items of a profile as JSON: scores, and the reasons that a visitor could be told. The twin is `state/kernels/items.py`."""

from typing import Any

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.core.layout import BOUGHT_WITH, OFF_POOL, REASONS, RESOLVED, VIEWED_WITH
from state.kernels.core.memory import carray, core, pointer, puts
from state.kernels.core.offering import LEADING
from state.kernels.core.record import name_at, put_name, resolved, row_of
from state.kernels.core.slate import half_value
from state.kernels.core.text import put, put_byte, put_hundredths, put_millionths, rounded

_ITEM = len('{"product_id":"","score":0.000000,"propensity":0.000000,"explored":false,"pinned":false,"reasons":[]}')
_REASON = len('{"code":"","share":0.0}')
BY_CATEGORY, N_REASONS, GENERAL, EXPLORATION = 5, 10, 10, 11
BY_PRODUCT, TOGETHER, IN_REGION, TRENDING_THERE = 6, 7, 8, 9
"""Numbers of the reasons; a test holds them to `state/profile/profile_items.py`."""
WITH_TWO_REASONS = 5
SMALLEST_ENGAGEMENT = 0.001


@core
def _cause_of(s: Any, w: Any, product: int) -> Any:
    """Which of the session's newest products the item goes with; 0 for none."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    row, named = row_of(s, w, product), 0
    for k in range(s.n_aff):
        p = s.aff_list[k]
        if s.affinity[p] <= 0:
            continue
        for turn in range(2):
            kind = BOUGHT_WITH if turn == 0 else VIEWED_WITH
            number = resolved(s, w, kind, name_at(s, p), s.na_len[p])
            if number >= 0 and row:
                rows = carray(pointer(lists[number].rows), lists[number].n, np.int64)
                for i in range(lists[number].n):
                    if rows[i] == row:
                        return int(p)
        named += 1
        if named == LEADING:
            break
    return 0


@core
def have_partners(s: Any, w: Any) -> Any:
    """Return whether all lists that `_cause_of` looks into are here."""
    named = 0
    for k in range(s.n_aff):
        p = s.aff_list[k]
        if s.affinity[p] > 0:
            for turn in range(2):
                kind = BOUGHT_WITH if turn == 0 else VIEWED_WITH
                if resolved(s, w, kind, name_at(s, p), s.na_len[p]) < 0:
                    return False
            named += 1
            if named == LEADING:
                break
    return True


@core
def _add_terms(s: Any, w: Any, a: int, i: int, base: float) -> None:
    """Adds to each reason the positive terms of its features, in parts of `base` that all positive terms share."""
    total = 0.0
    for j in range(DIMENSION):
        part = half_value(s.sl_x[a, i, j]) * w.coefficients[j]
        if part > 0:
            total += part
            if w.reason_of[j] >= 0:
                s.terms[w.reason_of[j]] += part
    if total > 0:
        for r in range(N_REASONS):
            s.terms[r] *= base / total


@core
def _best_term(s: Any) -> Any:
    best = 0
    for r in range(1, N_REASONS):
        if s.terms[r] > s.terms[best]:
            best = r
    return best


@core
def explain(s: Any, w: Any, a: int) -> None:
    """Find each item's score, first reason, its share in hundredths, and second reason."""
    base = s.total if s.total else 1.0
    m = s.interest_mark
    for i in range(s.sl_n[a]):
        name, category = s.sl_product[a, i], s.sl_category[a, i]
        product_part = 0.5 * s.affinity[name] if s.aff_mark[name] == m else 0.0
        category_part = 0.5 * s.liking[category] if s.cat_mark[category] == m else 0.0
        product_part -= min(0.0, product_part + category_part + base)
        s.told[i, 0] = min(1.0, max(SMALLEST_ENGAGEMENT, s.expected[i])) * (base + product_part + category_part)
        s.told[i, 2] = 100
        if s.sl_explored[a, i]:
            s.told[i, 1] = EXPLORATION
            continue
        for r in range(REASONS):
            s.terms[r] = 0.0
        if w.has_theta:
            _add_terms(s, w, a, i, base)
        s.terms[BY_PRODUCT] += max(0.0, product_part)
        s.terms[BY_CATEGORY] += max(0.0, category_part)
        first = _best_term(s)
        term = s.terms[first]
        if term <= 0:
            s.told[i, 1] = GENERAL
            continue
        s.terms[first] = -1.0
        second = _best_term(s)
        s.told[i, 1], s.told[i, 3] = first, second
        s.told[i, 2] = rounded(term / (term + max(0.0, s.terms[second])), 100)


@core
def _reason_length(s: Any, w: Any, a: int, i: int, reason: int, share: int) -> Any:
    n = _REASON + w.reason_len[reason] + (1 if share % 10 else 0)
    if reason == BY_CATEGORY and s.na_len[s.sl_category[a, i]]:
        return n + 17 + s.na_len[s.sl_category[a, i]]
    if reason == BY_PRODUCT:
        return n + 16 + s.na_len[s.sl_product[a, i]]
    if reason == TOGETHER:
        cause = _cause_of(s, w, s.sl_product[a, i])
        return n + 16 + s.na_len[cause] if cause else n
    if (reason == IN_REGION or reason == TRENDING_THERE) and s.region_len:
        return n + 12 + s.region_len
    return n


@core
def _put_reason(s: Any, w: Any, p: int, a: int, i: int, reason: int, share: int) -> Any:
    p = put(puts(p, '{"code":"'), w.texts + w.reason_off[reason], w.reason_len[reason])
    p = put_hundredths(puts(p, '","share":'), share)
    if reason == BY_CATEGORY and s.na_len[s.sl_category[a, i]]:
        p = put_byte(put_name(s, puts(p, ',"category_id":"'), s.sl_category[a, i]), 34)
    elif reason == BY_PRODUCT:
        p = put_byte(put_name(s, puts(p, ',"product_id":"'), s.sl_product[a, i]), 34)
    elif reason == TOGETHER:
        cause = _cause_of(s, w, s.sl_product[a, i])
        if cause:
            p = put_byte(put_name(s, puts(p, ',"product_id":"'), cause), 34)
    elif (reason == IN_REGION or reason == TRENDING_THERE) and s.region_len:
        p = put_byte(put(puts(p, ',"region":"'), s.self_at + OFF_POOL + s.region_off, s.region_len), 34)
    return put_byte(p, 125)


@core
def _count_items(s: Any, w: Any, a: int, room: int) -> Any:
    """How many items find room, with a second reason for the first ones where there is room for that too."""
    k, count = s.sl_n[a], 0
    while count < k:
        room -= (
            _ITEM
            - (1 if s.sl_explored[a, count] else 0)
            + s.na_len[s.sl_product[a, count]]
            + 1
            + _reason_length(s, w, a, count, int(s.told[count, 1]), 100)
        )
        if room < 0:
            return count
        s.shares[count] = 100
        count += 1
    for i in range(min(count, WITH_TWO_REASONS)):
        share = int(s.told[i, 2])
        if share < 100:
            first, second = int(s.told[i, 1]), int(s.told[i, 3])
            room -= _reason_length(s, w, a, i, first, share) - _reason_length(s, w, a, i, first, 100) + 1
            room -= _reason_length(s, w, a, i, second, 100 - share)
            if room < 0:
                break
            s.shares[i] = share
    return count


@core
def put_items(s: Any, w: Any, p: int, a: int, room: int) -> Any:
    """Write the items that fit into `room` bytes beside the brackets; return where they end."""
    count, total = _count_items(s, w, a, room), 0.0
    for i in range(count):
        total += s.told[i, 0]
    p = put_byte(p, 91)
    for i in range(count):
        if i:
            p = put_byte(p, 44)
        p = put_name(s, puts(p, '{"product_id":"'), s.sl_product[a, i])
        p = put_millionths(puts(p, '","score":'), s.told[i, 0] / total if total > 0 else 1.0 / count)
        p = put_millionths(puts(p, ',"propensity":'), s.sl_propensity[a, i])
        if s.sl_explored[a, i]:
            p = puts(p, ',"explored":true,"pinned":false,"reasons":[')
        else:
            p = puts(p, ',"explored":false,"pinned":false,"reasons":[')
        p = _put_reason(s, w, p, a, i, int(s.told[i, 1]), s.shares[i])
        if s.shares[i] < 100:
            p = _put_reason(s, w, put_byte(p, 44), a, i, int(s.told[i, 3]), 100 - s.shares[i])
        p = puts(p, "]}")
    return put_byte(p, 93)
