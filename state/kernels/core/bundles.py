"""Bundles that a checkout was complete of, and those of them that were offered before. Twins: `state/candidates/sources/bundles.py`
and `state/session/interest.py`."""

from typing import Any

from state.kernels.core.layout import (
    B_COUNT,
    B_FIRST,
    B_UNTIL,
    BUNDLE_FIELDS,
    BUNDLED,
    BUNDLES_OF,
    MOST_BOUGHT,
    OFF_E_BUNDLES,
    OFF_POOL,
    RESOLVED,
)
from state.kernels.core.memory import carray, core, ld8, ld64, pointer, st8
from state.kernels.core.reading import CART, CHECKOUT, FEEDBACK, VIEW
from state.kernels.core.record import exists, find_in, key_from, name_at, resolved, strength_of
from state.kernels.core.text import is_less, same

DONE, MISSING, NOT_HERE = 0, 1, 2
"""What a search comes to: it is done; a list is needed first; or it is for the Python core."""


@core
def bundles_of(s: Any, w: Any, i: int) -> Any:
    """Return the number of the list of bundles whose primary product has a name, 0 where there is none; -1 where it is needed
    first."""
    if not w.has_bundles or not exists(w, key_from(BUNDLES_OF, s.na_hash[i])):
        return 0
    return resolved(s, w, BUNDLES_OF, name_at(s, i), s.na_len[i])


@core
def field(of: Any, b: int, which: int) -> Any:
    """Return a field of a bundle of a list."""
    return ld64(of.extra + 8 * (BUNDLE_FIELDS * b + which))


@core
def part(of: Any, b: int, k: int, which: int) -> Any:
    """Return of a product of a bundle, the primary one first, the name's hash (0), place in the text (1), or length (2)."""
    return ld64(of.rows + 8 * (3 * (field(of, b, B_FIRST) + k) + which))


@core
def row_of_part(w: Any, of: Any, b: int, k: int) -> Any:
    """Return the catalogue's row of a product of a bundle, 0 where it is not held."""
    at = of.text + part(of, b, k, 1)
    return find_in(w.row_index, w.row_mask, w.names, part(of, b, k, 0), at, part(of, b, k, 2))


@core
def _is_before(s: Any, t: int, u: int) -> Any:
    """Whether a touch's product stands before another's by name."""
    a, b = s.to_product[t], s.to_product[u]
    return is_less(name_at(s, a), s.na_len[a], name_at(s, b), s.na_len[b])


@core
def _touch_of(s: Any, first: int, n: int, h: int, at: int, size: int) -> Any:
    """Which of the n touches from `first` on is of the product with this name; -1 for none."""
    for t in range(n):
        p = s.to_product[first + t]
        if s.na_hash[p] == h and s.na_len[p] == size and same(name_at(s, p), at, size):
            return t
    return -1


@core
def _take_if_complete(s: Any, of: Any, b: int, first: int, n: int) -> Any:
    """Notes a bundle behind those that were bought, if all parts of it are among the event's products."""
    begin, parts = s.self_at + OFF_E_BUNDLES + 1 + s.e_bundles_len, field(of, b, B_COUNT)
    for k in range(parts):
        t = _touch_of(s, first, n, part(of, b, k, 0), of.text + part(of, b, k, 1), part(of, b, k, 2))
        if t < 0:
            return False
        st8(begin + 1 + k, t)
    st8(begin, parts)
    s.e_bundles_len += 1 + parts
    return True


@core
def find_bought(s: Any, w: Any, n: int) -> Any:
    """Find the bundles that the event, whose products are the n touches behind all others, is a complete checkout of; False where a
    list is needed first."""
    s.e_bundles_len = 0
    if not w.has_bundles or s.e_kind != CHECKOUT:
        return True
    first, count, taken = s.n_touches, 0, 0
    for t in range(first, first + n):
        number = bundles_of(s, w, s.to_product[t])
        if number < 0:
            return False
        if number:
            at = count
            while at > 0 and _is_before(s, t, s.order[at - 1]):
                s.order[at] = s.order[at - 1]
                at -= 1
            s.order[at] = t
            count += 1
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    for k in range(count):
        of = lists[bundles_of(s, w, s.to_product[s.order[k]])]
        for b in range(of.extra_n):
            if taken < MOST_BOUGHT and s.e_ms <= field(of, b, B_UNTIL) and _take_if_complete(s, of, b, first, n):
                taken += 1
    return True


@core
def _was_liked(s: Any, e: int, product: int) -> Any:
    """Whether the product was viewed, put into the cart or praised before an event."""
    for i in range(e):
        kind = s.ev_kind[i]
        if kind == VIEW or kind == CART or (kind == FEEDBACK and strength_of(s, i) > 0):
            for t in range(s.ev_first[i], s.ev_first[i] + s.ev_n[i]):
                if s.to_product[t] == product:
                    return True
    return False


@core
def is_bundled(s: Any, product: int) -> Any:
    """Return whether a product is part of what `find_offered` has found."""
    for k in range(s.n_bundled):
        if s.bundled[k] == product:
            return True
    return False


@core
def find_offered(s: Any, e: int) -> Any:
    """Put the products of those bundles of a checkout that were offered into `bundled`, each once; return how many bundles."""
    s.n_bundled, offered = 0, 0
    at = s.self_at + OFF_POOL + s.ev_bundles[e] - 1
    end = at + 1 + ld8(at)
    at += 1
    while at < end:
        count, first = ld8(at), s.ev_first[e]
        if _was_liked(s, e, s.to_product[first + ld8(at + 1)]):
            offered += 1
            for k in range(count):
                p = s.to_product[first + ld8(at + 1 + k)]
                if not is_bundled(s, p) and s.n_bundled < BUNDLED:
                    s.bundled[s.n_bundled] = p
                    s.n_bundled += 1
        at += 1 + count
    return offered
