"""What a session's events say of the visitor's interest, and what it brings to a choice. Twin: `state/session/interest.py`."""

from typing import Any

import numpy as np

from state.kernels.core.bundles import find_offered, is_bundled
from state.kernels.core.layout import RESOLVED, VIEWED_WITH
from state.kernels.core.memory import carray, core, pointer
from state.kernels.core.reading import FEEDBACK
from state.kernels.core.record import code_of, name_at, resolved, row_of, strength_of
from state.kernels.core.text import is_less

DISLIKED_CATEGORY_SHARE = 0.2
PRIOR_VIEWS, PRIOR_EVENTS = 10.0, 6.0
"""How far what is known of the user weighs; a test holds them to `state/users/warm_start.py`."""
MOST_LIKED = 3
COLD, WARMING, ACTIVE, UNKNOWN = 0, 1, 2, -1
NEWEST_COMPARED = 10


@core
def sum_interest(s: Any, w: Any) -> None:
    """Sum decayed weights by product and category, newest event first; always in the same order, so to the last bit."""
    s.mark2 += 1
    m = s.mark2
    s.interest_mark = m
    s.n_aff = s.n_cat = s.n_visit = 0
    s.total, s.visits, s.has_feedback, s.counted = 0.0, 0.0, 0, 0
    factor = 1.0
    for e in range(s.n_events - 1, -1, -1):
        kind = s.ev_kind[e]
        if w.counts[kind] == 0:
            continue
        weight = w.weights[kind]
        if kind == FEEDBACK:
            s.has_feedback = 1
            weight = weight * strength_of(s, e)
        weighted = weight * factor
        if s.ev_bundles[e]:
            _raise_bundled(s, e, (w.bundle_weight - weight) * factor, m)
        s.total += abs(weighted)
        s.counted += 1
        first = s.ev_first[e]
        for t in range(first, first + s.ev_n[e]):
            if s.to_product[t]:
                _add_affinity(s, s.to_product[t], weighted, m)
            _add_liking(s, first, t, weighted, m)
        factor *= w.decay
    s.n_own_aff, s.n_own_cat, s.is_warmed = s.n_aff, s.n_cat, 0
    if s.has_hint and w.user_share > 0 and s.hint_total > 0:
        _warm(s, w, m)


@core
def _raise_bundled(s: Any, e: int, by: float, m: int) -> None:
    """Raises the affinities to the products of the bundles that were offered and bought, and to each of their categories."""
    if not find_offered(s, e):
        return
    s.total += by
    for k in range(s.n_bundled):
        _add_affinity(s, s.bundled[k], by, m)
    first = s.ev_first[e]
    for t in range(first, first + s.ev_n[e]):
        c, again = s.to_category[t], False
        for u in range(first, t):
            again = again or (s.to_category[u] == c and is_bundled(s, s.to_product[u]))
        if c and not again and is_bundled(s, s.to_product[t]):
            _enter_category(s, c, m)
            s.liking[c] += by


@core
def is_disliked(s: Any, w: Any, row: int) -> Any:
    """Return whether the newest thumb of the row's product is down."""
    for e in range(s.n_events - 1, -1, -1):
        if s.ev_kind[e] == FEEDBACK:
            for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
                if row_of(s, w, s.to_product[t]) == row:
                    return strength_of(s, e) <= -1
    return False


@core
def _warm(s: Any, w: Any, m: int) -> None:
    """Adds what is known of the user, as views that the session did not make. The twin is `state/users/warm_start.py`."""
    s.is_warmed = 1
    for k in range(s.n_aff):
        s.own_affinity[s.aff_list[k]] = s.affinity[s.aff_list[k]]
    for k in range(s.n_cat):
        s.own_liking[s.cat_list[k]] = s.liking[s.cat_list[k]]
    view, total = w.view_weight, s.hint_total
    views = w.user_share * min(total / view, PRIOR_VIEWS) * PRIOR_EVENTS / (PRIOR_EVENTS + s.counted)
    scale = views * view / total
    for i in range(s.hint_products):
        _add_affinity(s, s.hi_name[i], scale * s.hi_value[i], m)
    for i in range(s.hint_products, s.n_hint):
        c = s.hi_name[i]
        _enter_category(s, c, m)
        s.liking[c] += scale * s.hi_value[i]
        _visit(s, c, scale / view * s.hi_value[i])
    s.total += scale * total
    s.visits = 0.0
    for k in range(s.n_visit):
        s.visits += s.visits_of[s.visit_list[k]]


@core
def _add_affinity(s: Any, p: int, weighted: float, m: int) -> None:
    if s.aff_mark[p] != m:
        s.aff_mark[p] = m
        s.affinity[p] = 0.0
        s.aff_list[s.n_aff] = p
        s.n_aff += 1
    s.affinity[p] += weighted


@core
def _add_liking(s: Any, first: int, t: int, weighted: float, m: int) -> None:
    """Adds to a touch's category, each of an event's once."""
    c = s.to_category[t]
    if c == 0:
        return
    for u in range(first, t):
        if s.to_category[u] == c:
            return
    _enter_category(s, c, m)
    s.liking[c] += weighted if weighted >= 0 else DISLIKED_CATEGORY_SHARE * weighted
    if weighted > 0:
        _visit(s, c, 1.0)
        s.visits += 1


@core
def _enter_category(s: Any, c: int, m: int) -> None:
    if s.cat_mark[c] != m:
        s.cat_mark[c] = m
        s.liking[c], s.visits_of[c] = 0.0, 0.0
        s.cat_list[s.n_cat] = c
        s.n_cat += 1


@core
def _visit(s: Any, c: int, by: float) -> None:
    """Adds to the visits of a category; they are summed in the order of each one's first."""
    if s.visits_of[c] == 0:
        s.visit_list[s.n_visit] = c
        s.n_visit += 1
    s.visits_of[c] += by


@core
def _count_in_vain(s: Any, m: int) -> None:
    """Counts by product how often it was shown without a reward, among the open exposures."""
    s.n_vain = 0
    for i in range(s.n_open):
        if s.op_reward[i] <= 0:
            p = s.op_product[i]
            if s.bad_mark[p] != m:
                s.bad_mark[p] = m
                s.vain[p] = 0
                s.vain_list[s.n_vain] = p
                s.n_vain += 1
            s.vain[p] += 1


@core
def find_context(s: Any, w: Any) -> None:
    """Find what the session brings to a choice: categories by code, what was shown in vain, which categories are liked most."""
    liked, visited = 0.0, 1.0 + s.visits
    for k in range(s.n_cat):
        if s.liking[s.cat_list[k]] > 0:
            liked += s.liking[s.cat_list[k]]
    if liked == 0:
        liked = 1.0
    for k in range(s.n_cat):
        c = s.cat_list[k]
        s.kc[k, 0] = code_of(s, w, c)
        s.kc[k, 1] = max(0.0, s.liking[c]) / liked
        s.kc[k, 2] = s.visits_of[c] / visited
        s.kc[k, 3] = 0.0
    n = s.n_cat
    _count_in_vain(s, s.interest_mark)
    codes = carray(pointer(w.category), w.rows, np.int64)
    for v in range(s.n_vain):
        p = s.vain_list[v]
        row = row_of(s, w, p)
        code = codes[row] if row else 0
        k = 0
        while k < n and s.kc[k, 0] != code:
            k += 1
        if k == n:
            s.kc[k, 0], s.kc[k, 1], s.kc[k, 2], s.kc[k, 3] = code, 0.0, 0.0, 0.0
            n += 1
        s.kc[k, 3] += s.vain[p]
    s.n_kc = n
    find_liked(s)
    _find_last(s, w)


@core
def find_liked(s: Any) -> None:
    """Find the categories that are liked most, of equal ones the last by name."""
    s.n_liked = 0
    for turn in range(MOST_LIKED):
        best = -1
        for k in range(s.n_cat):
            c = s.cat_list[k]
            v = s.liking[c]
            if v > 0 and not ((turn > 0 and c == s.liked[0]) or (turn > 1 and c == s.liked[1])):
                if best < 0 or v > s.liking[best] or (v == s.liking[best] and name_less(s, best, c)):
                    best = c
        if best < 0:
            return
        s.liked[turn] = best
        s.n_liked = turn + 1


@core
def _find_last(s: Any, w: Any) -> None:
    """Finds the newest event's category and time."""
    s.last_code = 0
    s.last_event_ms = w.now_ms
    if s.n_events:
        e = s.n_events - 1
        s.last_event_ms = s.ev_ms[e]
        for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
            if s.to_category[t]:
                s.last_code = code_of(s, w, s.to_category[t])
                return


@core
def name_less(s: Any, a: int, b: int) -> Any:
    """Return whether a name stands before another."""
    return is_less(name_at(s, a), s.na_len[a], name_at(s, b), s.na_len[b])


@core
def status_of(s: Any, w: Any) -> Any:
    """Return how well the session is known; UNKNOWN where a list is needed first. The twin is `state/session/activation.py`."""
    if s.n_events < w.warming_after:
        return COLD
    s.mark2 += 1
    m = s.mark2
    products = categories = 0
    for e in range(s.n_events - 1, -1, -1):
        for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
            p, c = s.to_product[t], s.to_category[t]
            if p and s.na_mark[p] != m:
                s.na_mark[p] = m
                s.order[products] = p
                products += 1
            if c and s.na_chain[c] != -m:
                s.na_chain[c] = -m
                categories += 1
        if s.n_events >= w.active_after and products + categories >= w.active_variety:
            return ACTIVE
    if products < w.active_match:
        return WARMING
    return _status_by_partners(s, w, min(products, NEWEST_COMPARED))


@core
def _status_by_partners(s: Any, w: Any, n: int) -> Any:
    """ACTIVE where enough of the first n products in `order` are partners of another of them."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    s.mark2 += 1
    m, matching = s.mark2, 0
    for k in range(n):
        number = resolved(s, w, VIEWED_WITH, name_at(s, s.order[k]), s.na_len[s.order[k]])
        if number < 0:
            return UNKNOWN
        count = lists[number].extra_n
        partners = carray(pointer(lists[number].extra), count, np.int64)
        for i in range(count):
            for other in range(n):
                p = s.order[other]
                if other != k and s.na_hash[p] == partners[i] and s.na_mark[p] != m:
                    s.na_mark[p] = m
                    matching += 1
    return ACTIVE if matching >= w.active_match else WARMING
