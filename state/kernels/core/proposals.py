"""Bundles that a profile proposes. The twin is `state/profile/bundle_proposals.py`."""

from typing import Any

import numpy as np

from state.kernels.core.bundles import DONE, MISSING, NOT_HERE, bundles_of, field, part, row_of_part
from state.kernels.core.interest import is_disliked, name_less
from state.kernels.core.layout import (
    B_COUNT,
    B_HEAD,
    B_HEAD_LEN,
    B_ID,
    B_ID_LEN,
    B_IS_PLAIN,
    B_UNTIL,
    BOUGHT_WITH,
    CONSIDERED,
    OFF_PACKED,
    PRIMARIES,
    RESOLVED,
)
from state.kernels.core.memory import carray, core, pointer
from state.kernels.core.reading import CHECKOUT
from state.kernels.core.record import name_at, resolved
from state.kernels.core.text import is_less, put, put_byte, put_tenthousandths

BUNDLES_PART = 6
"""Bundles take at most such a part of a profile's bytes; a test holds it to `state/profile/profile.py`."""


@core
def _mark_bought(s: Any) -> None:
    s.mark2 += 1
    for e in range(s.n_events):
        if s.ev_kind[e] == CHECKOUT:
            for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
                s.na_mark[s.to_product[t]] = s.mark2


@core
def _stands_before(s: Any, i: int, j: int) -> Any:
    """Whether a product has the larger affinity; of equal ones the last by name."""
    if s.affinity[i] != s.affinity[j]:
        return s.affinity[i] > s.affinity[j]
    return name_less(s, j, i)


@core
def _find_primaries(s: Any, w: Any) -> Any:
    """Puts the primary products with the largest affinities that were not bought into `order`; returns how many, -1 where a list is
    needed first."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    count = 0
    _mark_bought(s)
    for k in range(s.n_aff):
        p = s.aff_list[k]
        if s.affinity[p] <= 0 or s.na_mark[p] == s.mark2:
            continue
        number = bundles_of(s, w, p)
        if number < 0:
            return -1
        if lists[number].extra_n == 0 or (count == PRIMARIES and not _stands_before(s, p, s.order[count - 1])):
            continue
        at = count if count < PRIMARIES else PRIMARIES - 1
        while at > 0 and _stands_before(s, p, s.order[at - 1]):
            s.order[at] = s.order[at - 1]
            at -= 1
        s.order[at] = p
        count = min(count + 1, PRIMARIES)
    return count


@core
def _score(of: Any, bought: Any, b: int, share: float) -> Any:
    """Share of the affinity × mean of (1, togetherness, discount), each in [0, 1]."""
    items, together = field(of, b, B_COUNT) - 1, 0.0
    partners = carray(pointer(bought.extra), max(1, bought.extra_n), np.int64)
    lifts = carray(pointer(bought.weights), max(1, bought.extra_n), np.float64)
    for k in range(1, items + 1):
        for i in range(bought.extra_n):
            if partners[i] == part(of, b, k, 0):
                if lifts[i] > 1:
                    together += 1 - 1 / lifts[i]
                break
    discount = carray(pointer(of.values), max(1, of.extra_n), np.float64)[b]
    return share * (1 + together / items + discount) / 3


@core
def _enter(s: Any, w: Any, number: int, b: int, score: float) -> None:
    """Puts a bundle among those found, the highest score first; of equal ones the first by id."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    of = lists[number]
    at = s.n_proposed
    while at > 0:
        if s.pr_score[at - 1] > score:
            break
        if s.pr_score[at - 1] == score:
            other = lists[s.pr_list[at - 1]]
            c = s.pr_at[at - 1]
            own_id, their_id = of.text + field(of, b, B_ID), other.text + field(other, c, B_ID)
            if not is_less(own_id, field(of, b, B_ID_LEN), their_id, field(other, c, B_ID_LEN)):
                break
        s.pr_score[at], s.pr_list[at], s.pr_at[at] = s.pr_score[at - 1], s.pr_list[at - 1], s.pr_at[at - 1]
        at -= 1
    s.pr_score[at], s.pr_list[at], s.pr_at[at] = score, number, b
    s.n_proposed += 1


@core
def _is_at_hand(s: Any, w: Any, of: Any, b: int) -> Any:
    """Whether each part of a bundle can be shown and is not disliked."""
    active = carray(pointer(w.active), w.rows, np.uint8)
    for k in range(field(of, b, B_COUNT)):
        row = row_of_part(w, of, b, k)
        if row == 0 or not active[row] or (s.has_feedback and is_disliked(s, w, row)):
            return False
    return True


@core
def _keep_at_hand(s: Any, w: Any) -> None:
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    n = 0
    for k in range(s.n_proposed):
        if n < w.bundles_most and _is_at_hand(s, w, lists[s.pr_list[k]], s.pr_at[k]):
            s.pr_score[n], s.pr_list[n], s.pr_at[n] = s.pr_score[k], s.pr_list[k], s.pr_at[k]
            n += 1
    s.n_proposed = n


@core
def find_proposals(s: Any, w: Any) -> Any:
    """Find the bundles for the visitor, the best first: DONE, MISSING where a list is needed first, or NOT_HERE."""
    s.n_proposed = 0
    if not w.has_bundles or w.bundles_most == 0 or not w.has_catalogue:
        return DONE
    count = _find_primaries(s, w)
    if count < 0:
        return MISSING
    largest = 0.0
    for k in range(s.n_aff):
        largest = max(largest, s.affinity[s.aff_list[k]])
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    for k in range(count):
        p = s.order[k]
        number, bought = bundles_of(s, w, p), resolved(s, w, BOUGHT_WITH, name_at(s, p), s.na_len[p])
        if number < 0 or bought < 0:
            return MISSING
        of = lists[number]
        for b in range(min(of.extra_n, CONSIDERED)):
            if w.now_ms <= field(of, b, B_UNTIL):
                if not field(of, b, B_IS_PLAIN):
                    return NOT_HERE
                _enter(s, w, number, b, _score(of, lists[bought], b, s.affinity[p] / largest))
    _keep_at_hand(s, w)
    return DONE


@core
def put_proposals(s: Any, w: Any, p: int) -> Any:
    """Write the bundles that were found, except those that would take more than a part of the profile; return where they end."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    room, written = w.max_bytes // BUNDLES_PART - 2, 0
    packed = s.self_at + OFF_PACKED
    for k in range(s.n_proposed):
        of = lists[s.pr_list[k]]
        head, length = of.text + field(of, s.pr_at[k], B_HEAD), field(of, s.pr_at[k], B_HEAD_LEN)
        n = put_tenthousandths(packed, s.pr_score[k]) - packed
        size = length + n + 2
        if size <= room:
            room -= size
            if written:
                p = put_byte(p, 44)
            p = put(put(p, head, length), packed, n)
            p = put_byte(p, 125)
            written += 1
    return p
