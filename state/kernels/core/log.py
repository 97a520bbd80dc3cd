"""The session's log: an event enters it once, in order, and what had to go for it. The twin is `state/session/recent_events.py`."""

from typing import Any

import numpy as np

from state.kernels.core.layout import MOST_PRODUCTS, OFF_E_BUNDLES, OFF_PACKED, OFF_POOL, OFF_SCRATCH
from state.kernels.core.memory import carray, core, ld8, pointer, st8
from state.kernels.core.record import NAME_SLOT, UNNAMED, has_names_left, keep, name_of, row_of, shift
from state.kernels.core.text import hash_of, is_less, put, put_byte, put_int, same

DUPLICATE, DROPPED = -1, -2
TOUCHES_PER_EVENT = 4


@core
def _hex(c: int) -> Any:
    if 48 <= c <= 57:
        return c - 48
    if 97 <= c <= 102:
        return c - 87
    return -1


@core
def pack_identity(s: Any, w: Any) -> None:
    """Bring the event's identity to the form of the log: a canonical UUID in 17 bytes, anything else as it is."""
    if s.e_id_len == 0:
        begin = s.self_at + OFF_SCRATCH
        p = put_byte(put_int(begin, s.e_ms), 124)
        p = put_byte(put(p, w.texts + w.kind_off[s.e_kind], w.kind_len[s.e_kind]), 124)
        p = put_byte(put(p, s.e_product, s.e_product_len), 124)
        p = put(p, s.e_category, s.e_category_len)
        s.e_id, s.e_id_len = begin, p - begin
    if s.e_id_len == 36 and ld8(s.e_id + 8) == 45:
        packed, n, i = s.self_at + OFF_PACKED, 1, 0
        st8(packed, 0)
        while i < 36:
            if i == 8 or i == 13 or i == 18 or i == 23:
                if ld8(s.e_id + i) != 45:
                    return
                i += 1
                continue
            a, b = _hex(ld8(s.e_id + i)), _hex(ld8(s.e_id + i + 1))
            if a < 0 or b < 0:
                return
            st8(packed + n, 16 * a + b)
            n += 1
            i += 2
        s.e_id, s.e_id_len = packed, 17


@core
def put_identity(to: int, at: int, n: int) -> Any:
    """Write an identity as it came; return where it ends."""
    if n != 17 or ld8(at) != 0:
        return put(to, at, n)
    for i in range(16):
        if i == 4 or i == 6 or i == 8 or i == 10:
            st8(to, 45)
            to += 1
        v = ld8(at + 1 + i)
        a, b = v >> 4, v & 15
        st8(to, a + (48 if a < 10 else 87))
        st8(to + 1, b + (48 if b < 10 else 87))
        to += 2
    return to


@core
def _text_less(s: Any, a: int, na: int, b: int, nb: int) -> Any:
    """Whether an identity stands before another as texts; packed ones are written out."""
    if (na != 17 or ld8(a) != 0) and (nb != 17 or ld8(b) != 0):
        return is_less(a, na, b, nb)
    first = s.self_at + OFF_SCRATCH + 512
    middle = put_identity(first, a, na)
    end = put_identity(middle + 32, b, nb)
    return is_less(first, middle - first, middle + 32, end - middle - 32)


@core
def category_name(s: Any, w: Any, product: int) -> Any:
    """Return the number of the category's name of a product, 0 where it is not known; -1 where the record cannot hold it."""
    row = row_of(s, w, product) if product else 0
    if row == 0:
        return 0
    code = carray(pointer(w.category), w.rows, np.int64)[row]
    at = w.code_names + NAME_SLOT * code
    if ld8(at) == UNNAMED:
        return -1
    return name_of(s, at + 1, ld8(at))


@core
def complete(s: Any, w: Any) -> Any:
    """Fill in categories that are known by now; False where the record cannot hold one, or has no room for so many."""
    for e in range(s.n_events):
        for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
            if s.to_category[t] == 0 and s.to_product[t]:
                if not has_names_left(s):
                    return False
                found = category_name(s, w, s.to_product[t])
                if found < 0:
                    return False
                s.to_category[t] = found
    return True


@core
def find_duplicate(s: Any) -> Any:
    """Return whether the log has the event already."""
    pool = s.self_at + OFF_POOL
    for i in range(s.n_events):
        if s.ev_hash[i] == s.e_hash and s.ev_len[i] == s.e_id_len and same(pool + s.ev_off[i], s.e_id, s.e_id_len):
            return True
    return False


@core
def touch_products(s: Any, w: Any) -> Any:
    """Append the event's products and categories to the touches; return how many, -1 where the record cannot hold them."""
    t = s.n_touches
    n = 0
    if s.e_product_len:
        s.to_product[t] = name_of(s, s.e_product, s.e_product_len)
        n = 1
    for k in range(s.e_n_items):
        product = name_of(s, s.e_items[k, 0], s.e_items[k, 1])
        again = False
        for u in range(t, t + n):
            again = again or s.to_product[u] == product
        if not again:
            if n >= MOST_PRODUCTS:
                return -1
            s.to_product[t + n] = product
            n += 1
    if n == 0 and s.e_category_len:
        s.to_product[t] = 0
        s.to_category[t] = name_of(s, s.e_category, s.e_category_len)
        s.to_credited[t] = 0
        return 1
    for u in range(t, t + n):
        s.to_credited[u] = 0
        if n == 1 and s.e_category_len:
            s.to_category[u] = name_of(s, s.e_category, s.e_category_len)
        else:
            found = category_name(s, w, s.to_product[u])
            if found < 0:
                return -1
            s.to_category[u] = found
    return n


@core
def is_before_horizon(s: Any) -> Any:
    """Return whether the event is not newer than what had to go."""
    if s.e_ms > s.horizon_ms:
        return False
    at = s.self_at + OFF_POOL + s.horizon_off
    return s.e_ms < s.horizon_ms or not _text_less(s, at, s.horizon_len, s.e_id, s.e_id_len)


@core
def insert(s: Any, n: int) -> Any:
    """Insert the event, whose n products are the newest touches, in order; return its place."""
    pool, ms = s.self_at + OFF_POOL, s.e_ms
    at = s.n_events
    while at > 0 and (
        s.ev_ms[at - 1] > ms
        or (s.ev_ms[at - 1] == ms and _text_less(s, s.e_id, s.e_id_len, pool + s.ev_off[at - 1], s.ev_len[at - 1]))
    ):
        at -= 1
    shift(s, at, 1)
    s.ev_ms[at], s.ev_hash[at], s.ev_strength[at], s.ev_kind[at] = ms, s.e_hash, s.e_strength, s.e_kind
    s.ev_off[at], s.ev_len[at] = keep(s, s.e_id, s.e_id_len), s.e_id_len
    s.ev_decision[at] = name_of(s, s.e_decision, s.e_decision_len)
    s.ev_first[at], s.ev_n[at] = s.n_touches, n
    s.ev_bundles[at] = 0
    if s.e_bundles_len:
        st8(s.self_at + OFF_E_BUNDLES, s.e_bundles_len)
        s.ev_bundles[at] = 1 + keep(s, s.self_at + OFF_E_BUNDLES, 1 + s.e_bundles_len)
    s.n_touches += n
    return at


@core
def excess(s: Any, w: Any) -> Any:
    """Return how many of the oldest events have to go."""
    first = max(0, s.n_events - w.max_events)
    touches = 0
    for e in range(first, s.n_events):
        touches += products_of(s, e)
    while touches > TOUCHES_PER_EVENT * w.max_events and first < s.n_events - 1:
        touches -= products_of(s, first)
        first += 1
    return first


@core
def products_of(s: Any, e: int) -> Any:
    """Return how many products an event touches: a category alone is none."""
    return s.ev_n[e] if s.ev_n[e] != 1 or s.to_product[s.ev_first[e]] else 0


@core
def evict(s: Any) -> None:
    """Take out the oldest event; the horizon is where it stood."""
    s.horizon_ms, s.horizon_off, s.horizon_len = s.ev_ms[0], s.ev_off[0], s.ev_len[0]
    shift(s, 0, -1)


@core
def viewed_last(s: Any, most: int) -> Any:
    """Put the products that were viewed last into `viewed`, each once, newest first; return how many."""
    n = 0
    for e in range(s.n_events - 1, -1, -1):
        if s.ev_kind[e] == 0:
            for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
                again = False
                for k in range(n):
                    again = again or s.viewed[k] == s.to_product[t]
                if not again and n < most:
                    s.viewed[n] = s.to_product[t]
                    n += 1
            if n >= most:
                break
    return n


@core
def identity_hash(s: Any) -> None:
    """Note the identity's hash."""
    s.e_hash = hash_of(s.e_id, s.e_id_len)
