"""The profile's JSON. The twin is `state/profile/profile.py`."""

from typing import Any

import numpy as np

from state.kernels.core.interest import ACTIVE, WARMING, is_disliked, name_less
from state.kernels.core.items import explain, put_items
from state.kernels.core.layout import OFF_POOL, OFF_SCRATCH, RESOLVED, TREND_LIST, TRENDING
from state.kernels.core.log import put_identity
from state.kernels.core.memory import carray, copy, core, ld8, pointer, puts
from state.kernels.core.offering import popular_of
from state.kernels.core.proposals import put_proposals
from state.kernels.core.record import NAME_SLOT, code_of, put_name
from state.kernels.core.text import is_less, put, put_byte, put_int, put_tenthousandths, rounded

MINUTE_MS = 60_000
CATEGORIES_LISTED, CATEGORIES_AT_LEAST = 5, 3
_EVENT_KINDS = 11


@core
def _count_windows(s: Any) -> None:
    """Counts events by type in the last five minutes, the last hour, and in all."""
    newest = s.ev_ms[s.n_events - 1] if s.n_events else 0
    for which in range(3):
        s.w_n[which] = 0
        for k in range(_EVENT_KINDS):
            s.w_counts[which, k] = 0
    for e in range(s.n_events):
        kind, ms = s.ev_kind[e], s.ev_ms[e]
        for which in range(3):
            if which == 2 or ms > newest - (5 if which == 0 else 60) * MINUTE_MS:
                if s.w_counts[which, kind] == 0:
                    s.w_order[which, s.w_n[which]] = kind
                    s.w_n[which] += 1
                s.w_counts[which, kind] += 1


@core
def _before(s: Any, values: Any, i: int, j: int) -> Any:
    """Whether a name stands before another: of a larger value, of equal ones the first by name."""
    if values[i] != values[j]:
        return values[i] > values[j]
    return name_less(s, i, j)


@core
def _largest(s: Any, listed: Any, n: int, values: Any, most: int) -> Any:
    """Puts the names of the largest values into `order`; returns how many."""
    count = 0
    for k in range(n):
        i = listed[k]
        if count == most and (most == 0 or not _before(s, values, i, s.order[count - 1])):
            continue
        at = count if count < most else most - 1
        while at > 0 and _before(s, values, i, s.order[at - 1]):
            s.order[at] = s.order[at - 1]
            at -= 1
        s.order[at] = i
        if count < most:
            count += 1
    return count


@core
def _put_affinities(s: Any, p: int, listed: Any, n: int, values: Any, most: int) -> Any:
    count = _largest(s, listed, n, values, most)
    p = put_byte(p, 123)
    for k in range(count):
        if k:
            p = put_byte(p, 44)
        p = puts(put_name(s, put_byte(p, 34), s.order[k]), '":')
        p = put_tenthousandths(p, values[s.order[k]])
    return put_byte(p, 125)


@core
def _put_categories(s: Any, w: Any, p: int, most: int) -> Any:
    """Writes the liked categories with their shares; those that are best rated where none is liked."""
    count = _largest(s, s.cat_list, s.n_cat, s.liking, max(w.affinities, CATEGORIES_LISTED))
    total, n = 0.0, 0
    while n < count and n < CATEGORIES_LISTED and s.liking[s.order[n]] > 0:
        v = rounded(s.liking[s.order[n]], 10_000) / 10_000.0
        s.sort_v[n] = v
        total += v
        n += 1
    if n == 0:
        return put(p, w.texts + w.rated_off, w.rated_len if most == CATEGORIES_LISTED else w.rated_short_len)
    if total == 0:
        total = 1.0
    for k in range(min(n, most)):
        if k:
            p = put_byte(p, 44)
        p = put_name(s, puts(p, '{"category_id":"'), s.order[k])
        p = put_byte(put_tenthousandths(puts(p, '","score":'), s.sort_v[k] / total), 125)
    return p


@core
def _affinity_to(s: Any, w: Any, code: int) -> Any:
    """The session's affinity to a category by its code; 0 for one that it has none to."""
    for k in range(s.n_cat if code else 0):
        c = s.cat_list[k]
        if code_of(s, w, c) == code:
            return max(0.0, s.liking[c])
    return 0.0


@core
def _trend_before(s: Any, w: Any, of: Any, i: int, j: int) -> Any:
    """Whether a trend stands before another: of a larger value, of equal ones the first by name."""
    if s.trend_v[i] != s.trend_v[j]:
        return s.trend_v[i] < s.trend_v[j]
    a, b = w.names + NAME_SLOT * of[i, 2], w.names + NAME_SLOT * of[j, 2]
    return is_less(a + 1, ld8(a), b + 1, ld8(b))


@core
def _put_trends(s: Any, w: Any, p: int) -> Any:
    """Writes what trends where the session is, most what it likes. The twin is `state/profile/trends.py`."""
    number = popular_of(s, w, TRENDING)
    if number < 0 or w.trends_most == 0:
        return puts(p, "[]")
    one = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)[number]
    count = min(one.extra_n, TREND_LIST)
    of, weights = carray(pointer(one.extra), (count, 3), np.int64), carray(pointer(one.weights), count, np.float64)
    n, is_usual = 0, True
    for i in range(count):
        if s.has_feedback and is_disliked(s, w, of[i, 2]):
            is_usual = False
            continue
        liking = _affinity_to(s, w, of[i, 0]) if s.n_cat else 0.0
        s.trend_v[i] = weights[i] * (1 + liking) if liking > 0 else weights[i]
        is_usual = is_usual and liking == 0
        at = n
        while at > 0 and _trend_before(s, w, of, i, s.trend_i[at - 1]):
            s.trend_i[at] = s.trend_i[at - 1]
            at -= 1
        s.trend_i[at] = i
        n += 1
    if is_usual:
        return put(p, one.text, one.text_len)
    total = 0.0
    for k in range(n):
        total += s.trend_v[s.trend_i[k]]
    if total == 0:
        total = -1.0
    p = put_byte(p, 91)
    for k in range(min(n, w.trends_most)):
        i = s.trend_i[k]
        name = w.names + NAME_SLOT * of[i, 2]
        if k:
            p = put_byte(p, 44)
        p = put(puts(p, '{"product_id":"'), name + 1, ld8(name))
        p = put(puts(p, '","region":"'), one.name, one.name_len) if one.name_len else puts(p, '","region":"_all')
        p = put_int(puts(p, '","count":'), of[i, 1])
        p = put_byte(put_tenthousandths(puts(p, ',"score":'), s.trend_v[i] / total), 125)
    return put_byte(p, 93)


@core
def _put_after_items(s: Any, w: Any, p: int, most_categories: int) -> Any:
    """Writes what stands behind the items; returns where it ends."""
    p = _put_categories(s, w, puts(p, ',"category_data":['), most_categories)
    p = put_proposals(s, w, puts(p, '],"bundled_discount_suggestions":['))
    p = _put_trends(s, w, puts(p, '],"trending_recommendations":'))
    p = puts(p, ',"affinities":{"products":')
    p = _put_affinities(s, p, s.aff_list, s.n_own_aff, s.own_affinity if s.is_warmed else s.affinity, w.affinities)
    p = puts(p, ',"categories":')
    p = _put_affinities(s, p, s.cat_list, s.n_own_cat, s.own_liking if s.is_warmed else s.liking, w.affinities)
    p = puts(p, '},"windows":{"5m":{')
    for which in range(3):
        if which == 1:
            p = puts(p, '},"1h":{')
        elif which == 2:
            p = puts(p, '},"session":{')
        for k in range(s.w_n[which]):
            if k:
                p = put_byte(p, 44)
            kind = s.w_order[which, k]
            p = puts(put(put_byte(p, 34), w.texts + w.kind_off[kind], w.kind_len[kind]), '":')
            p = put_int(p, s.w_counts[which, kind])
    p = put_int(puts(p, '}},"counts":{"applied":'), s.applied)
    p = put_int(puts(p, ',"duplicates":'), s.duplicates)
    p = put_int(puts(p, ',"dropped":'), s.dropped)
    p = puts(p, '},"last_event":')
    if s.n_events == 0:
        return puts(p, "null}")
    e = s.n_events - 1
    p = put_identity(puts(p, '{"event_id":"'), s.self_at + OFF_POOL + s.ev_off[e], s.ev_len[e])
    p = put(puts(p, '","event_type":"'), w.texts + w.kind_off[s.ev_kind[e]], w.kind_len[s.ev_kind[e]])
    return puts(put_int(puts(p, '","timestamp":'), s.ev_ms[e]), "}}")


@core
def _put_before_items(s: Any, w: Any, p: int, a: int, status: int) -> Any:
    """Writes what stands before the items; returns where it ends."""
    p = put_int(puts(p, '{"schema":1,"generation":'), s.generation)
    p = put_int(puts(p, ',"version":'), s.applied)
    p = put_int(puts(p, ',"updated_at":'), s.updated_at_ms)
    p = put(puts(p, ',"session_id":"'), s.e_session, s.e_session_len)
    p = put_int(puts(p, '","event_time":'), s.ev_ms[s.n_events - 1] if s.n_events else 0)
    p = put_int(puts(p, ',"refresh_after_ms":'), w.refresh_after_ms)
    if status == ACTIVE:
        p = puts(p, ',"status":"active"')
    elif status == WARMING:
        p = puts(p, ',"status":"warming"')
    else:
        p = puts(p, ',"status":"cold"')
    p = put_int(put(p, w.texts + w.policy_off, w.policy_len), s.sl_model[a])
    p = put_name(s, puts(p, ',"decision_id":"'), s.sl_decision[a])
    return puts(p, '","score_data":')


@core
def write_profile(s: Any, w: Any, a: int, status: int) -> None:
    """Write the profile with the items of a slate, at most `max_bytes` of it; items give way for what is left."""
    begin, rest = s.p_profile, s.self_at + OFF_SCRATCH
    p = _put_before_items(s, w, begin, a, status)
    _count_windows(s)
    n = _put_after_items(s, w, rest, CATEGORIES_LISTED) - rest
    room = w.max_bytes - (p - begin) - n - 2
    if room < 0:
        n = _put_after_items(s, w, rest, CATEGORIES_AT_LEAST) - rest
        room = w.max_bytes - (p - begin) - n - 2
    explain(s, w, a)
    p = put_items(s, w, p, a, room)
    copy(p, rest, n)
    s.p_profile = p + n
