"""What the rest of the job is told of an event, where and when it was, and who it was. The twin is `state/events/accepted.py`."""

from typing import Any

from state.kernels.core.layout import (
    CATEGORY_ADMITTED,
    N_CATEGORY_FOLDED,
    N_REGION_FOLDED,
    OFF_POOL,
    OFF_SCRATCH,
    REGION_ADMITTED,
    RESOLVED,
    USER_HASH,
)
from state.kernels.core.log import viewed_last
from state.kernels.core.memory import carray, core, pointer
from state.kernels.core.moment import ENTRY, MOMENT_AT, put_moment
from state.kernels.core.reading import CART, CHECKOUT, VIEW
from state.kernels.core.record import code_of, forget_hint, keep, put_name, resolved, row_of
from state.kernels.core.text import put, put_byte, put_int, same

LINE, FIELD = 0x1E, 0x1F
MOST_CO_VIEWED, MOST_CO_PURCHASED = 3, 19
USER_BYTES = 32


@core
def is_counted(kind: int) -> Any:
    """Return whether the rest of the job counts events of that type."""
    return kind == VIEW or kind == CART or kind == CHECKOUT


@core
def _is_admitted(s: Any, w: Any, kind: int, at: int, n: int) -> Any:
    """1 where the name is counted on its own, 0 where not; -1 where that must be asked first."""
    number = resolved(s, w, kind, at, n)
    if number < 0:
        return -1
    of = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)[number]
    if of.until_ms <= w.now_ms:
        s.miss_kind, s.miss_at, s.miss_len = kind, at, n
        return -1
    return 1 if of.extra_n else 0


@core
def find_admissions(s: Any, w: Any, n: int) -> Any:
    """Return a bit 1 for a region that is counted on its own, and 2 for the category; -1 where it must be asked first."""
    found = 3
    if not is_counted(s.e_kind):
        return found
    if s.e_region_len:
        of_region = _is_admitted(s, w, REGION_ADMITTED, s.e_region, s.e_region_len)
        if of_region < 0:
            return -1
        if not of_region:
            found &= ~1
    if n == 1 and s.e_category_len and code_of(s, w, s.to_category[s.n_touches]) == 0:
        of_category = _is_admitted(s, w, CATEGORY_ADMITTED, s.e_category, s.e_category_len)
        if of_category < 0:
            return -1
        if not of_category:
            found &= ~2
    return found


@core
def find_user(s: Any, w: Any) -> Any:
    """Return the number of the hash of the event's user, 0 where it names none; -1 where it must be asked first."""
    if s.e_user_len == 0:
        return 0
    return resolved(s, w, USER_HASH, s.e_user, s.e_user_len)


@core
def note_place(s: Any, w: Any, is_newest: int, user: int) -> Any:
    """Note where, when and who, as of the newest event; return where the event's user's hash stands, and its length."""
    if is_newest:
        if s.e_region_len:
            s.region_off, s.region_len = keep(s, s.e_region, s.e_region_len), s.e_region_len
        n = put_moment(s, w)
        at = s.self_at + OFF_SCRATCH + MOMENT_AT
        if n != s.moment_len or not same(at, s.self_at + OFF_POOL + s.moment_off, n):
            s.moment_off, s.moment_len = keep(s, at, n), n
    if s.e_user_len == 0:
        return s.self_at + OFF_POOL + s.user_off, int(s.user_len)
    of = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)[user]
    at = of.text
    if s.user_len == USER_BYTES and same(at, s.self_at + OFF_POOL + s.user_off, USER_BYTES):
        return at, USER_BYTES
    if is_newest or s.user_len == 0:
        s.user_off, s.user_len = keep(s, at, USER_BYTES), USER_BYTES
        s.user_changed = 1
        forget_hint(s)
    return at, USER_BYTES


@core
def _put_partners(s: Any, p: int, first: int, n: int, t: int, n_viewed: int) -> Any:
    """Writes the products that go with one of the event's."""
    count = 0
    if s.e_kind == CHECKOUT:
        for u in range(first, first + n):
            if u != t and count < MOST_CO_PURCHASED:
                p = put_byte(p, ENTRY) if count else p
                p = put_name(s, p, s.to_product[u])
                count += 1
        return p
    for k in range(n_viewed):
        if s.viewed[k] != s.to_product[t] and count < MOST_CO_VIEWED:
            p = put_byte(p, ENTRY) if count else p
            p = put_name(s, p, s.viewed[k])
            count += 1
    return p


@core
def tell(s: Any, w: Any, at: int, admissions: int, user_at: int, user_len: int) -> None:
    """Write a line for each product of an event that counts."""
    if not is_counted(s.e_kind):
        return
    w.counters[N_REGION_FOLDED] += s.e_region_len > 0 and not admissions & 1
    w.counters[N_CATEGORY_FOLDED] += not admissions & 2
    moment, n_viewed = put_moment(s, w), viewed_last(s, MOST_CO_VIEWED + 1)
    first, n, p = s.ev_first[at], s.ev_n[at], s.p_accepted
    for t in range(first, first + n):
        if t > first:
            p = put_byte(p, LINE)
        p = put_byte(put_int(p, s.e_ms), FIELD)
        p = put_byte(put(p, w.texts + w.kind_off[s.e_kind], w.kind_len[s.e_kind]), FIELD)
        p = put_byte(put(p, s.e_region, s.e_region_len if admissions & 1 else 0), FIELD)
        p = put_byte(put_name(s, p, s.to_product[t]), FIELD)
        p = put_byte(put_name(s, p, s.to_category[t] if admissions & 2 else 0), FIELD)
        p = put_byte(put(p, user_at, user_len), FIELD)
        p = put_byte(put(p, s.self_at + OFF_SCRATCH + MOMENT_AT, moment), FIELD)
        p = _put_partners(s, p, first, n, t, n_viewed)
    s.p_accepted = p


@core
def want_products(s: Any, w: Any, at: int) -> None:
    """Ask for the event's products that the catalogue does not hold."""
    for t in range(s.ev_first[at], s.ev_first[at] + s.ev_n[at]):
        if s.to_product[t] and row_of(s, w, s.to_product[t]) == 0:
            s.p_wanted = put_byte(put_name(s, s.p_wanted, s.to_product[t]), 10)
