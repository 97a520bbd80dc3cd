"""Exposures as they come, earn, are told to the learner and close. Twins: `state/session/attribution.py`, `exposure.py`."""

from typing import Any

import numpy as np

from state.feature_set import DIMENSION, Feature
from state.kernels.core.layout import (
    EXPLORED,
    FIRST,
    IMPLICIT,
    ITEMS,
    MODE_AUTO,
    MODE_EXPLICIT,
    MODE_IMPLICIT,
    N_CLOSED_EARLY,
    N_EXPLORED,
    N_EXPOSURES,
    N_NEW,
    N_PENALTY,
    N_RETRACTED,
    N_REWARD,
    N_UNEXPOSED,
    N_UNKNOWN_DECISION,
    N_UNKNOWN_PRODUCT,
    OFF_OP_X,
    OFF_POOL,
    OFF_SL_X,
    QUEUED,
    SLATE_IMPLICIT,
    SLATE_LOGGED,
    SUM,
    TOLD_BELOW,
    TOLD_PASSED,
)
from state.kernels.core.log import put_identity
from state.kernels.core.memory import bits_of, copy, core, ld8, ld16, puts, st8, st16
from state.kernels.core.reading import CATEGORY_VIEW, FEEDBACK
from state.kernels.core.record import put_name, remove_open, strength_of
from state.kernels.core.regional import group_of
from state.kernels.core.text import put, put_byte, put_exact, put_int, put_m64, same

GOES, UNTOLD = -7, -8
"""In the chain, marks an exposure that is taken out, and one that the learner has not been told of."""
MOST_SHOWN_PRODUCTS = 64
_NOVELTY_AT_30_DAYS = 0x35E3
"""exp(-1) as float16 bits: what is larger is newer."""
_EXPOSURE, _REWARD, _RETRACT = 0, 1, 2


@core
def write_outcome(s: Any, w: Any, kind: int, i: int) -> None:
    """Write an outcome of an exposure as of now, a line."""
    p = s.p_outcome
    if kind == _EXPOSURE:
        p = puts(p, '{"kind":"exposure","seq":')
    elif kind == _REWARD:
        p = puts(p, '{"kind":"reward","seq":')
    else:
        p = puts(p, '{"kind":"retract","seq":')
    p = put_int(p, s.op_seq[i])
    p = put_name(s, puts(p, ',"decision_id":"'), s.op_decision[i])
    p = put_name(s, puts(p, '","product_id":"'), s.op_product[i])
    p = put_int(puts(p, '","position":'), s.op_position[i])
    p = put_int(puts(p, ',"shown_position":'), s.op_place[i])
    p = put_int(puts(p, ',"exposed_at":'), s.op_at_ms[i])
    p = put_exact(puts(p, ',"reward":'), s.op_reward[i])
    p = put_identity(puts(p, ',"examination":1,"event_id":"'), s.e_id, s.e_id_len)
    p = put_int(puts(p, '","timestamp":'), w.now_ms)
    s.p_outcome = puts(p, "}\n")


@core
def _is_learned(s: Any, i: int) -> Any:
    """Whether an exposure is for the learner: it knows of it, or was shown what the visitor did not know already."""
    return s.op_told_weight[i] != 0 or (s.op_flags[i] & IMPLICIT) == 0 or s.op_x[i, Feature.PRODUCT_SEEN] == 0


@core
def _place_of(s: Any, i: int) -> Any:
    """Where an exposure lies among the rewards of its impression, as bits of `op_flags`."""
    first, last = 255, -1
    for j in range(s.n_open):
        if s.op_decision[j] == s.op_decision[i] and s.op_at_ms[j] == s.op_at_ms[i] and s.op_reward[j] > 0:
            if (s.op_flags[j] & QUEUED) != 0 and _is_learned(s, j):
                first, last = min(first, s.op_place[j]), max(last, s.op_place[j])
    place = 0
    if last >= 0 and s.op_place[i] > last and s.op_reward[i] == 0:
        place |= TOLD_PASSED
    if last >= 0 and s.op_place[i] > first:
        place |= TOLD_BELOW
    return place


@core
def _put_sign(p: int, value: int) -> Any:
    """Writes -1, 0 or 1."""
    st8(p, value if value >= 0 else 0xFF)
    return p + 1


@core
def _tell_learner(s: Any, w: Any, i: int, weight: float, place: int) -> None:
    """Hands the learner the difference to what it was told of the exposure before, if that is to be learned."""
    known, reward = s.op_told_weight[i], s.op_reward[i]
    told = s.op_flags[i] & (TOLD_PASSED | TOLD_BELOW)
    is_same = known == weight and s.op_told_reward[i] == reward and told == place
    if is_same or not _is_learned(s, i):
        return
    earned, before = (reward if weight else 0.0), (s.op_told_reward[i] if known else 0.0)
    p = s.p_example
    st8(p, 0x9E)
    p = put_m64(p + 1, 0xD3, s.op_at_ms[i])
    n = s.na_len[s.op_product[i]]
    st8(p, 0xD9)
    st8(p + 1, n)
    p = put_name(s, p + 2, s.op_product[i])
    st8(p, 0xC4)
    st8(p + 1, 2 * DIMENSION)
    copy(p + 2, s.self_at + OFF_OP_X + 2 * DIMENSION * i, 2 * DIMENSION)
    p += 2 + 2 * DIMENSION
    p = put_m64(p, 0xCB, bits_of(weight * weight - known * known))
    p = put_m64(p, 0xCB, bits_of(weight * earned - known * before))
    p = put_m64(p, 0xCB, bits_of(earned * earned - before * before))
    st8(p, s.op_place[i] if (s.op_flags[i] & EXPLORED) else 0xFF)
    st8(p + 1, (weight > 0) - (known > 0))
    p = put_m64(p + 2, 0xCB, bits_of(earned - before))
    st8(p, 0xD9)
    group, length = group_of(s, w)
    st8(p + 1, length)
    p = put(p + 2, group, length)
    is_below, was_below = (place & TOLD_BELOW) != 0, (told & TOLD_BELOW) != 0
    is_rewarded, was_rewarded = w.by_evidence != 0 and earned > 0, w.by_evidence != 0 and before > 0
    p = _put_sign(p, int((place & TOLD_PASSED) != 0) - int((told & TOLD_PASSED) != 0))
    p = _put_sign(p, int(is_below) - int(was_below))
    p = _put_sign(p, int(is_rewarded) - int(was_rewarded))
    s.p_example = _put_sign(p, int(is_rewarded and is_below) - int(was_rewarded and was_below))
    s.n_example += 1
    s.op_told_weight[i], s.op_told_reward[i] = weight, reward
    s.op_flags[i] = (s.op_flags[i] & ~(TOLD_PASSED | TOLD_BELOW)) | place


@core
def _weigh(s: Any, w: Any, decision: int) -> None:
    """Tells what changed of a decision's exposures: the reward of one may be the place of others."""
    for i in range(s.n_open):
        if s.op_decision[i] == decision and (s.op_flags[i] & QUEUED):
            _tell_learner(s, w, i, 1.0, _place_of(s, i) if w.by_evidence else 0)


@core
def queue_for_learning(s: Any, w: Any) -> None:
    """Hand the learner the exposures that it has not been told of, decision by decision."""
    for i in range(s.n_open):
        s.op_chain[i] = 0 if s.op_flags[i] & QUEUED else UNTOLD
        s.op_flags[i] |= QUEUED
    last = 0
    for i in range(s.n_open):
        if s.op_chain[i] == UNTOLD and s.op_decision[i] != last:
            last = s.op_decision[i]
            _weigh(s, w, last)


@core
def _mark_credited(s: Any, w: Any, i: int) -> None:
    """Notes which events that name its decision are credited to an exposure that closes."""
    for e in range(s.n_events):
        if s.ev_decision[e] == 0 or s.ev_decision[e] != s.op_decision[i]:
            continue
        since = s.ev_ms[e] - s.op_at_ms[i]
        if since < -w.disorder_ms or since > w.window_ms or s.ev_hash[e] == s.op_cause[i]:
            continue
        for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
            if s.to_product[t] == s.op_product[i]:
                s.to_credited[t] = 1


@core
def close_marked(s: Any, w: Any) -> Any:
    """Close the exposures whose chain entry is GOES; return how many."""
    n = 0
    for i in range(s.n_open):
        s.order[i] = s.op_chain[i] == GOES and not (s.op_flags[i] & QUEUED)
        if s.op_chain[i] == GOES:
            s.op_flags[i] |= QUEUED
            n += 1
    if n == 0:
        return 0
    for i in range(s.n_open):
        if s.order[i]:
            _weigh(s, w, s.op_decision[i])
    for i in range(s.n_open):
        if s.op_chain[i] == GOES:
            _mark_credited(s, w, i)
    remove_open(s)
    return n


@core
def close_due(s: Any, w: Any, watermark_ms: int) -> None:
    """Close the exposures that no event can reward any more."""
    latest_ms = watermark_ms - w.open_for_ms
    for i in range(s.n_open):
        s.op_chain[i] = GOES if s.op_at_ms[i] <= latest_ms else 0
    close_marked(s, w)


@core
def close_evicted(s: Any, w: Any, first: int, n: int, ms: int) -> None:
    """Close early what an event that left the log may have rewarded; its products are n touches from `first` on."""
    for i in range(s.n_open):
        s.op_chain[i] = 0
        for t in range(first, first + n):
            if s.to_product[t] and s.op_product[i] == s.to_product[t] and s.op_at_ms[i] <= ms:
                s.op_chain[i] = GOES
    w.counters[N_CLOSED_EARLY] += close_marked(s, w)


@core
def count_shown(s: Any, name: int) -> None:
    """Count that the product was seen once more; it moves to the end."""
    times, n = 0, s.n_shown
    for i in range(n):
        if s.sh_name[i] == name:
            times = s.sh_times[i]
            n -= 1
            for j in range(i, n):
                s.sh_name[j], s.sh_times[j] = s.sh_name[j + 1], s.sh_times[j + 1]
            break
    if n >= MOST_SHOWN_PRODUCTS:
        n -= 1
        for j in range(n):
            s.sh_name[j], s.sh_times[j] = s.sh_name[j + 1], s.sh_times[j + 1]
    s.sh_name[n], s.sh_times[n] = name, min(times + 1, 60_000)
    s.n_shown = n + 1


@core
def forget_shown(s: Any, name: int) -> None:
    """Begin the product's count anew."""
    n = s.n_shown
    for i in range(n):
        if s.sh_name[i] == name:
            for j in range(i, n - 1):
                s.sh_name[j], s.sh_times[j] = s.sh_name[j + 1], s.sh_times[j + 1]
            s.n_shown = n - 1
            return


@core
def _count_unseen(s: Any, name: int) -> None:
    """Counts back a product that was not seen after all."""
    for i in range(s.n_shown):
        if s.sh_name[i] == name:
            if s.sh_times[i] > 1:
                s.sh_times[i] -= 1
            else:
                forget_shown(s, name)
            return


@core
def _put_base64(w: Any, to: int, at: int, n: int) -> Any:
    """Writes n bytes, a multiple of three."""
    for i in range(0, n, 3):
        v = (ld8(at + i) << 16) | (ld8(at + i + 1) << 8) | ld8(at + i + 2)
        st16(to, ld16(w.base64 + 2 * (v >> 12)))
        st16(to + 2, ld16(w.base64 + 2 * (v & 4095)))
        to += 4
    return to


@core
def _write_decision(s: Any, w: Any, a: int, is_seen: int) -> None:
    """Writes a slate's decision as logged."""
    p = put_name(s, puts(s.p_decision, '{"decision_id":"'), s.sl_decision[a])
    p = put(puts(p, '","session_id":"'), s.e_session, s.e_session_len)
    p = put_int(puts(p, '","timestamp":'), s.sl_at_ms[a])
    if not is_seen:
        p = puts(p, ',"exposure":null')
    elif s.sl_flags[a] & SLATE_IMPLICIT:
        p = puts(p, ',"exposure":"implicit"')
    else:
        p = puts(p, ',"exposure":"explicit"')
    p = put_int(put(p, w.texts + w.policy_off, w.policy_len), s.sl_model[a])
    p = put_int(puts(p, ',"feature_set":"shop-3","profile_version":'), s.sl_version[a])
    p = puts(p, ',"items":[')
    for i in range(s.sl_n[a]):
        if i:
            p = put_byte(p, 44)
        p = put_name(s, puts(p, '{"product_id":"'), s.sl_product[a, i])
        p = put_int(puts(p, '","position":'), i)
        p = put_exact(puts(p, ',"propensity":'), s.sl_propensity[a, i])
        if s.sl_explored[a, i]:
            p = puts(p, ',"explored":true')
        else:
            p = puts(p, ',"explored":false')
        p = puts(p, ',"pinned":false,"features":"')
        p = puts(_put_base64(w, p, s.self_at + OFF_SL_X + 2 * DIMENSION * (ITEMS * a + i), 2 * DIMENSION), '"}')
    s.p_decision = puts(p, "]}")


@core
def log_decision(s: Any, w: Any, a: int, is_seen: int) -> None:
    """Log a slate's decision, if it is not logged yet."""
    if not (s.sl_flags[a] & SLATE_LOGGED):
        s.sl_flags[a] |= SLATE_LOGGED
        _write_decision(s, w, a, is_seen)


@core
def _expose(s: Any, w: Any, a: int, position: int, place: int, at_ms: int) -> None:
    """Takes an item as seen."""
    log_decision(s, w, a, 1)
    s.sl_seen[a] |= 1 << position
    i = s.n_open
    s.n_open = i + 1
    s.op_at_ms[i], s.op_cause[i], s.op_reward[i] = at_ms, s.sl_cause[a], 0.0
    s.op_told_weight[i], s.op_told_reward[i], s.op_product[i] = 0.0, 0.0, s.sl_product[a, position]
    s.op_decision[i], s.op_seq[i] = s.sl_decision[a], s.sl_next_seq[a]
    s.op_position[i], s.op_place[i] = position, place
    s.op_flags[i] = (IMPLICIT if s.sl_flags[a] & SLATE_IMPLICIT else 0) | (
        EXPLORED if s.sl_explored[a, position] else 0
    )
    for j in range(DIMENSION):
        s.op_x[i, j] = s.sl_x[a, position, j]
    write_outcome(s, w, _EXPOSURE, i)
    count_shown(s, s.op_product[i])
    w.counters[N_EXPOSURES] += 1
    w.counters[N_NEW] += s.op_x[i, Feature.NOVELTY] > _NOVELTY_AT_30_DAYS
    w.counters[N_EXPLORED] += s.sl_explored[a, position] != 0


@core
def _bound(s: Any, w: Any) -> None:
    """Closes the oldest exposures where too many are open, of equals the first."""
    excess = s.n_open - w.open_max
    if excess <= 0:
        return
    for i in range(s.n_open):
        s.op_chain[i] = 0
    for _ in range(excess):
        oldest = -1
        for i in range(s.n_open):
            if s.op_chain[i] == 0 and (oldest < 0 or s.op_at_ms[i] < s.op_at_ms[oldest]):
                oldest = i
        s.op_chain[oldest] = GOES
    w.counters[N_CLOSED_EARLY] += excess
    close_marked(s, w)


@core
def expose_implicitly(s: Any, w: Any) -> None:
    """Take the first items of the current slate as seen, where the session's next event came late enough for that."""
    if w.exposure_mode == MODE_EXPLICIT or (w.exposure_mode == MODE_AUTO and s.sends_impressions) or s.n_slates == 0:
        return
    a = s.n_slates - 1
    if s.sl_seen[a] or s.e_ms < s.sl_at_ms[a] + w.implicit_dwell_ms:
        return
    s.sl_flags[a] |= SLATE_IMPLICIT
    for place in range(min(w.implicit_items, s.sl_n[a])):
        _expose(s, w, a, place, place, s.sl_at_ms[a])
    _bound(s, w)


@core
def _retract(s: Any, w: Any, a: int) -> None:
    """Takes back what was assumed, except what is closed: that was learned, and must not be learned again."""
    decision = s.sl_decision[a]
    i = 0
    while i < s.n_open:
        if s.op_decision[i] != decision or not (s.op_flags[i] & IMPLICIT):
            i += 1
            continue
        s.op_seq[i] += 1
        s.op_reward[i] = 0.0
        _tell_learner(s, w, i, 0.0, 0)
        write_outcome(s, w, _RETRACT, i)
        product, position, seq = s.op_product[i], s.op_position[i], s.op_seq[i]
        for j in range(s.n_open):
            s.op_chain[j] = GOES if j == i else 0
        remove_open(s)
        _count_unseen(s, product)
        w.counters[N_RETRACTED] += 1
        s.mark2 += 1
        s.na_mark[product] = s.mark2
        _reward_marked(s, w)  # what it had earned may be another exposure's
        s.sl_seen[a] &= ~(1 << position)
        s.sl_next_seq[a] = max(s.sl_next_seq[a], seq + 1)
    s.sl_flags[a] &= ~SLATE_IMPLICIT


@core
def _see_earlier(s: Any, w: Any, a: int, position: int, place: int, at_ms: int) -> None:
    """Of several impressions of an item the earliest counts; a closed exposure stays."""
    for i in range(s.n_open):
        if s.op_decision[i] == s.sl_decision[a] and s.op_position[i] == position:
            if at_ms > s.op_at_ms[i] or (at_ms == s.op_at_ms[i] and place >= s.op_place[i]):
                return
            if s.op_flags[i] & QUEUED:
                _tell_learner(s, w, i, 0.0, 0)
            s.op_at_ms[i], s.op_place[i] = at_ms, place
            s.op_seq[i] += 1
            write_outcome(s, w, _EXPOSURE, i)
            _weigh(s, w, s.op_decision[i])
            return


@core
def _slate_of(s: Any) -> Any:
    """The kept slate that the event names, the older first; -1 for none."""
    for a in range(s.n_slates):
        name = s.sl_decision[a]
        if s.na_len[name] == s.e_decision_len and same(
            s.self_at + OFF_POOL + s.na_off[name], s.e_decision, s.e_decision_len
        ):
            return a
    return -1


@core
def _position_of(s: Any, a: int, at: int, n: int) -> Any:
    """The last position of a product in the slate; -1 where it does not stand there."""
    found: Any = -1
    for i in range(s.sl_n[a]):
        name = s.sl_product[a, i]
        if s.na_len[name] == n and same(s.self_at + OFF_POOL + s.na_off[name], at, n):
            found = np.int64(i)
    return found


@core
def expose_explicitly(s: Any, w: Any) -> None:
    """Take what an impression shows as seen, and take back what had been assumed of its slate; the products' rewards follow."""
    s.sends_impressions = 1
    if w.exposure_mode != MODE_IMPLICIT:
        a = _slate_of(s)
        if a < 0:
            w.counters[N_UNKNOWN_DECISION] += 1
        else:
            if s.sl_flags[a] & SLATE_IMPLICIT:
                _retract(s, w, a)
            for place in range(s.e_n_shown):
                position = _position_of(s, a, s.e_shown[place, 0], s.e_shown[place, 1])
                if position < 0:
                    w.counters[N_UNKNOWN_PRODUCT] += 1
                elif not (s.sl_seen[a] >> position) & 1:
                    _expose(s, w, a, position, place, s.e_ms)
                else:
                    _see_earlier(s, w, a, position, place, s.e_ms)
            _bound(s, w)
    s.mark2 += 1
    for i in range(s.n_open):
        name = s.op_product[i]
        for place in range(s.e_n_shown):
            n = s.e_shown[place, 1]
            if s.na_len[name] == n and same(s.self_at + OFF_POOL + s.na_off[name], s.e_shown[place, 0], n):
                s.na_mark[name] = s.mark2
    _reward_marked(s, w)


@core
def credits(s: Any, w: Any, at: int) -> Any:
    """Return whether the event is of a kind that rewards; one that names a decision without an open exposure is counted."""
    kind = s.ev_kind[at]
    if kind == CATEGORY_VIEW or w.counts[kind] == 0 or w.weights[kind] == 0:
        return False
    if kind == FEEDBACK and strength_of(s, at) == 0:
        return False
    if s.ev_decision[at]:
        found = False
        for i in range(s.n_open):
            for t in range(s.ev_first[at], s.ev_first[at] + s.ev_n[at]):
                found = found or (s.op_decision[i] == s.ev_decision[at] and s.op_product[i] == s.to_product[t])
        w.counters[N_UNEXPOSED] += not found
    for t in range(s.ev_first[at], s.ev_first[at] + s.ev_n[at]):
        forget_shown(s, s.to_product[t])
    return True


@core
def reward(s: Any, w: Any, at: int, is_credited: int) -> None:
    """Bring the rewards of the event's products' exposures up to date, and of those that the learner has not been told of."""
    s.mark2 += 1
    if is_credited:
        for t in range(s.ev_first[at], s.ev_first[at] + s.ev_n[at]):
            s.na_mark[s.to_product[t]] = s.mark2
    for i in range(s.n_open):
        if not (s.op_flags[i] & QUEUED):
            s.na_mark[s.op_product[i]] = s.mark2
    _reward_marked(s, w)


@core
def _earn(s: Any, w: Any, i: int, value: float) -> None:
    """Adds a reward of an exposure: the first stays in `sort_v`, or all are summed there, or the best and worst kept apart."""
    if w.aggregate == FIRST:
        if s.order[i] == 0:
            s.sort_v[i] = value
    elif w.aggregate == SUM:
        s.sort_v[i] += value
    else:
        s.sort_v[i] = max(s.sort_v[i], value)
        s.affinity[i] = min(s.affinity[i], value)
    s.order[i] += 1


@core
def _aggregated(s: Any, w: Any, i: int) -> Any:
    """One number in [-1, 1] of what an exposure has earned."""
    if s.order[i] == 0:
        return 0.0
    if w.aggregate == FIRST or w.aggregate == SUM:
        return max(-1.0, min(1.0, s.sort_v[i]))
    return min(1.0, s.sort_v[i]) + max(-1.0, s.affinity[i])


@core
def _credited_exposure(s: Any, w: Any, e: int, product: int) -> Any:
    """The exposure of the product that the event is credited to; -1 for none."""
    best = -1
    i = s.na_chain[product]
    while i >= 0:
        since = s.ev_ms[e] - s.op_at_ms[i]
        if s.op_cause[i] != s.ev_hash[e] and -w.disorder_ms <= since <= w.window_ms:
            if s.ev_decision[e] and s.op_decision[i] == s.ev_decision[e]:
                named = i  # the first in the order of exposures, and the chain runs from the last
                j = s.op_chain[i]
                while j >= 0:
                    before = s.ev_ms[e] - s.op_at_ms[j]
                    if (
                        s.op_cause[j] != s.ev_hash[e]
                        and -w.disorder_ms <= before <= w.window_ms
                        and s.op_decision[j] == s.ev_decision[e]
                    ):
                        named = j
                    j = s.op_chain[j]
                return named
            if since >= 0 and (best < 0 or _is_later(s, i, best)):
                best = i
        i = s.op_chain[i]
    return best


@core
def _is_later(s: Any, i: int, j: int) -> Any:
    """Whether an exposure is later than another that stands behind it in the session, by time and then by decision."""
    if s.op_at_ms[i] != s.op_at_ms[j]:
        return s.op_at_ms[i] > s.op_at_ms[j]
    a, b = s.op_decision[i], s.op_decision[j]
    if a == b:
        return True
    pool = s.self_at + OFF_POOL
    n = min(s.na_len[a], s.na_len[b])
    for k in range(n):
        x, y = ld8(pool + s.na_off[a] + k), ld8(pool + s.na_off[b] + k)
        if x != y:
            return x > y
    return s.na_len[a] >= s.na_len[b]


@core
def _reward_marked(s: Any, w: Any) -> None:
    """Brings the rewards of the exposures of marked products up to date, and writes each difference."""
    wanted = s.mark2
    s.mark2 += 1
    m = s.mark2
    oldest, some = 9223372036854775807, False
    for i in range(s.n_open):
        p = s.op_product[i]
        s.op_chain[i] = -1
        s.sort_v[i], s.affinity[i], s.order[i] = 0.0, 0.0, 0
        if s.na_mark[p] == wanted or s.na_mark[p] == m:
            s.op_chain[i] = s.na_chain[p] if s.na_mark[p] == m else -1
            s.na_mark[p] = m
            s.na_chain[p] = i
            oldest = min(oldest, s.op_at_ms[i])
            some = True
    if not some:
        return
    s.na_mark[0] = 0
    oldest -= w.disorder_ms
    for e in range(s.n_events):
        kind = s.ev_kind[e]
        if s.ev_ms[e] < oldest or kind == CATEGORY_VIEW or w.counts[kind] == 0:
            continue
        weight = w.weights[kind] * strength_of(s, e) if kind == FEEDBACK else w.weights[kind]
        if weight == 0:
            continue
        for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
            p = s.to_product[t]
            if s.na_mark[p] == m and not s.to_credited[t]:
                i = _credited_exposure(s, w, e, p)
                if i >= 0:
                    _earn(s, w, i, weight / w.largest)
    for i in range(s.n_open):
        if s.na_mark[s.op_product[i]] == m:
            _change_reward(s, w, i, _aggregated(s, w, i))


@core
def _change_reward(s: Any, w: Any, i: int, found: float) -> None:
    """Notes an exposure's reward, if it is another."""
    if found == s.op_reward[i]:
        return
    more = int(round(1_000 * (found - s.op_reward[i])))
    w.counters[N_REWARD] += max(0, more)
    w.counters[N_PENALTY] += max(0, -more)
    s.op_seq[i] += 1
    s.op_reward[i] = found
    if found > 0:
        forget_shown(s, s.op_product[i])
    write_outcome(s, w, _REWARD, i)
    _weigh(s, w, s.op_decision[i])
