"""Candidates: the lists that there are for a session, and what is taken of them. Twin: `state/candidates/sources/shelf.py`."""

from typing import Any

import numpy as np

from state.feature_set import Feature
from state.kernels.core.bundles import DONE, MISSING, NOT_HERE, bundles_of, field, row_of_part
from state.kernels.core.first_pass import find_best
from state.kernels.core.layout import (
    B_COUNT,
    B_IS_PLAIN,
    B_UNTIL,
    BOUGHT_WITH,
    CANDIDATES,
    LISTS,
    MOST_VIEWED,
    OFF_BEST_ROWS,
    OFF_BEST_SCORE,
    OFF_BUNDLE_ROWS,
    OFF_KC,
    OFF_LISTED_ROWS,
    OFF_POOL,
    POPULAR,
    RESOLVED,
    TRENDING,
    VIEWED_WITH,
)
from state.kernels.core.memory import carray, core, ld8, pointer
from state.kernels.core.reading import CHECKOUT, FEEDBACK
from state.kernels.core.record import find_in, name_at, resolved, row_of, strength_of
from state.kernels.core.regional import local_of
from state.kernels.core.text import hash_of

(
    OWN,
    BEST,
    VIEWED_MOST,
    NEWEST,
    POPULAR_SOURCE,
    TRENDING_SOURCE,
    BOUGHT,
    VIEWED,
    BUNDLES,
    USERS,
    ANYWHERE,
    RULES,
    EXPECTED,
) = range(13)
SOURCES = RULES + 2
"""Numbers of the sources; a test holds them to `state/candidates/sources/names.py`."""
PERSONAL_BITS = (1 << OWN) | (1 << BOUGHT) | (1 << VIEWED) | (1 << BUNDLES) | (1 << USERS)
CATEGORY_BITS = (1 << BEST) | (1 << VIEWED_MOST) | (1 << NEWEST)
OWN_LIMIT, LEADING, LIKED_CATEGORIES, LIKED_SHARE, EXPECTED_SHARE = 20, 5, 3, 0.6, 0.4
NO_FEATURE = -1
MARK_STEP, EXCLUDED = 4096, 4095
"""`stamp` of the i-th candidate is the mark + i; of what must not be shown mark + EXCLUDED."""


@core
def next_random(w: Any) -> Any:
    """Return a number in [0, 1) with 53 bits: xorshift128+ (Vigna 2017, "Further scramblings of Marsaglia's xorshift
    generators")."""
    a, b = w.random[0], w.random[1]
    w.random[0] = b
    a ^= a << 23
    a ^= (a >> 18) & 0x3FFFFFFFFFFF
    a ^= b ^ ((b >> 5) & 0x7FFFFFFFFFFFFFF)
    w.random[1] = a
    return (((a + b) >> 11) & 0x1FFFFFFFFFFFFF) * (1.0 / 9007199254740992.0)


@core
def _add(s: Any, head: int, wanted: int, feature: int, rows: int, values: int, n: int) -> None:
    """Adds a list; those with the same head above 100 are parts of one, whose rows are taken in turn."""
    k = s.n_lists
    if n > 0 and k < LISTS:
        s.lists[k, 0], s.lists[k, 1], s.lists[k, 2] = head, wanted, feature
        s.lists[k, 3], s.lists[k, 4], s.lists[k, 5] = rows, values, n
        s.n_lists = k + 1


@core
def popular_of(s: Any, w: Any, kind: int) -> Any:
    """Return the number of the list of the session's region, or of the whole, that is fresh at the newest event; -1 for none, -2
    where it is needed first."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    if s.region_len:
        number = resolved(s, w, kind, s.self_at + OFF_POOL + s.region_off, s.region_len)
        if number < 0:
            return -2
        if s.last_event_ms < lists[number].until_ms:
            return number
    number = resolved(s, w, kind, s.self_at + OFF_POOL, np.int64(0))  # a literal would be hashed by way of a float
    if number < 0:
        return -2
    return number if s.last_event_ms < lists[number].until_ms else -1


@core
def _own(s: Any, w: Any) -> Any:
    """Puts the rows of what the session likes into `order`, the newest first, and the names of the leading ones into `aff_list`'s
    end; returns how many rows and names there are."""
    n = named = 0
    for k in range(s.n_aff):
        p = s.aff_list[k]
        if s.affinity[p] > 0:
            if named < OWN_LIMIT:
                named += 1
                row = row_of(s, w, p)
                if row:
                    s.order[n] = row
                    n += 1
    return n


@core
def _add_partners(s: Any, w: Any, quotas: Any) -> Any:
    """Adds what goes with the session's newest products, in turn; False where a list is needed first."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    for turn in range(2):
        source, kind = (BOUGHT, BOUGHT_WITH) if turn == 0 else (VIEWED, VIEWED_WITH)
        named = 0
        for k in range(s.n_aff):
            p = s.aff_list[k]
            if s.affinity[p] > 0:
                number = resolved(s, w, kind, name_at(s, p), s.na_len[p])
                if number < 0:
                    return False
                of = lists[number]
                if quotas[source]:
                    _add(s, 100 * source + 50 + turn, quotas[source], Feature.TOGETHER, of.rows, of.values, of.n)
                named += 1
                if named == LEADING:
                    break
    return True


@core
def _add_listed(s: Any, w: Any, quotas: Any) -> None:
    """Adds the list that another recommender made for the user: no more of it than could be candidates."""
    at = s.self_at + OFF_POOL + s.listed_off
    end, n = at + s.listed_len, 0
    while at < end and n < CANDIDATES:
        length = ld8(at)
        row = find_in(w.row_index, w.row_mask, w.names, hash_of(at + 1, length), at + 1, length)
        if row:
            s.listed_rows[n] = row
            n += 1
        at += 1 + length
    _add(s, 100 * USERS, quotas[USERS], NO_FEATURE, s.self_at + OFF_LISTED_ROWS, 0, n)


@core
def _add_parts(s: Any, w: Any, of: Any, b: int, n: int) -> Any:
    """Puts the rows of a bundle's items behind the n that are there, each once; returns how many there are then."""
    for k in range(1, field(of, b, B_COUNT)):
        row = row_of_part(w, of, b, k)
        again = row == 0 or n == CANDIDATES
        for i in range(n):
            again = again or s.bundle_rows[i] == row
        if not again:
            s.bundle_rows[n] = row
            n += 1
    return n


@core
def _add_bundled(s: Any, w: Any, quotas: Any) -> Any:
    """Adds the items of bundles whose primary products are the session's newest: DONE, MISSING or NOT_HERE."""
    if not w.has_bundles or quotas[BUNDLES] == 0:
        return DONE
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    named = n = 0
    for k in range(s.n_aff):
        p = s.aff_list[k]
        if s.affinity[p] > 0:
            number = bundles_of(s, w, p)
            if number < 0:
                return MISSING
            of = lists[number]
            for b in range(of.extra_n):
                if s.last_event_ms <= field(of, b, B_UNTIL) and n < CANDIDATES:
                    if not field(of, b, B_IS_PLAIN):
                        return NOT_HERE
                    n = _add_parts(s, w, of, b, n)
            named += 1
            if named == LEADING:
                break
    _add(s, 100 * BUNDLES, quotas[BUNDLES], NO_FEATURE, s.self_at + OFF_BUNDLE_ROWS, 0, n)
    return DONE


@core
def _add_popular(s: Any, w: Any, quotas: Any) -> Any:
    """Adds what is popular and trending where the session is; returns the popular list's number, -1 for none, -2 where a list is
    needed first."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    trending = popular_of(s, w, TRENDING)
    popular = popular_of(s, w, POPULAR)
    if trending == -2 or popular == -2:
        return -2
    if trending >= 0:
        of = lists[trending]
        _add(s, 100 * TRENDING_SOURCE, quotas[TRENDING_SOURCE], Feature.TRENDING, of.rows, of.values, of.n)
    if popular >= 0:
        of = lists[popular]
        _add(s, 100 * POPULAR_SOURCE, quotas[POPULAR_SOURCE], Feature.REGIONAL_POPULARITY, of.rows, of.values, of.n)
    return popular


@core
def _add_categories(s: Any, w: Any, quotas: Any, popular: int) -> Any:
    """Adds of each category's lists in equal parts, then more of the best rated; False where a list is needed first."""
    lists = carray(pointer(w.resolved), w.resolved_mask + 1, RESOLVED)
    best, viewed, newest = -(-quotas[BEST] // 3), -(-quotas[VIEWED_MOST] // 3), -(-quotas[NEWEST] // 3)
    most = int(np.rint(LIKED_SHARE * w.limit / LIKED_CATEGORIES))
    usual, n = w.usual, w.n_usual
    if s.n_liked:
        n = s.n_liked
    elif popular >= 0 and lists[popular].extra_n:
        usual, n = lists[popular].extra, lists[popular].extra_n
    named = carray(pointer(usual), (max(1, n), 3), np.int64)
    parts = carray(pointer(w.category_parts), (w.codes, 2, 2), np.int64)
    for k in range(n):
        code, at, length = _category(s, named, k)
        part = parts[code]
        _add(s, 100 * BEST, best, NO_FEATURE, part[0, 0], 0, part[0, 1])
        if viewed:
            number = resolved(s, w, MOST_VIEWED, at, length)
            if number < 0:
                return False
            of = lists[number]
            if s.last_event_ms < of.until_ms:
                _add(s, 100 * VIEWED_MOST, viewed, NO_FEATURE, of.rows, 0, of.n)
        _add(s, 100 * NEWEST, newest, NO_FEATURE, part[1, 0], 0, part[1, 1])
    for k in range(n if best else 0):
        part = parts[_category(s, named, k)[0]]
        if part[0, 1] > best:
            _add(s, 100 * BEST, most - best, NO_FEATURE, part[0, 0] + 8 * best, 0, part[0, 1] - best)
    return True


@core
def _add_expected(s: Any, w: Any) -> None:
    """Adds what is expected of most."""
    region = s.group_number
    begin, n_local = local_of(w, region)
    n = find_best(
        w.pass_products,
        w.pass_n,
        s.self_at + OFF_KC,
        int(s.n_kc),
        int(s.last_code),
        w.regional + 16 * w.region_codes * max(0, region),
        w.region_codes if region >= 0 else 0,
        w.pass_places + 8 * begin,
        w.local + 16 * begin,
        n_local,
        w.pass_local,
        s.usual_price if s.n_usual_prices else np.nan,
        s.usual_relative_price,
        w.pass_theta,
        w.pass_codes,
        w.codes,
        s.self_at + OFF_BEST_SCORE,
        s.self_at + OFF_BEST_ROWS,
        int(np.rint(EXPECTED_SHARE * w.limit)),
    )
    rows = carray(pointer(w.pass_rows), w.pass_n, np.int64)
    for i in range(n):
        s.best_rows[i] = rows[s.best_rows[i]]
    _add(s, 100 * EXPECTED, n, NO_FEATURE, s.self_at + OFF_BEST_ROWS, 0, n)


@core
def _category(s: Any, named: Any, k: int) -> Any:
    """Code, name and length of the name of the k-th category that is looked at."""
    if s.n_liked:
        c = s.liked[k]
        return int(s.na_code[c]), name_at(s, c), int(s.na_len[c])
    return named[k, 0], named[k, 1], int(named[k, 2])


@core
def find_candidates(s: Any, w: Any) -> Any:
    """Find the candidates: DONE, MISSING where a list is needed first, or NOT_HERE."""
    s.n_lists = 0
    visits = min(int(np.rint(s.visits)), w.most_visits - 1)
    quotas = carray(pointer(w.quotas), (w.most_visits, 2, SOURCES), np.int64)[visits, 1 if s.n_liked else 0]
    n_own = _own(s, w)
    _add_listed(s, w, quotas)
    if not _add_partners(s, w, quotas):
        return MISSING
    found = _add_bundled(s, w, quotas)
    if found != DONE:
        return found
    popular = _add_popular(s, w, quotas)
    if popular == -2 or not _add_categories(s, w, quotas, popular):
        return MISSING
    if quotas[EXPECTED] and w.pass_n:
        _add_expected(s, w)
    _gather(s, w, n_own, quotas[OWN], quotas[ANYWHERE])
    return DONE


@core
def _exclude(s: Any, w: Any, stamp: Any, name: int) -> None:
    row = row_of(s, w, name)
    if row:
        stamp[row] = w.mark + EXCLUDED


@core
def _exclude_hidden(s: Any, w: Any, stamp: Any) -> None:
    """Marks what must not be shown: disliked by the newest thumb, shown in vain too often, bought."""
    if s.has_feedback:
        s.mark2 += 1
        for e in range(s.n_events - 1, -1, -1):
            if s.ev_kind[e] == FEEDBACK:
                for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
                    p = s.to_product[t]
                    if s.na_mark[p] != s.mark2:
                        s.na_mark[p] = s.mark2
                        if strength_of(s, e) <= -1:
                            _exclude(s, w, stamp, p)
    for i in range(s.n_shown):
        if w.times_shown and s.sh_times[i] >= w.times_shown:
            _exclude(s, w, stamp, s.sh_name[i])
    if w.hide_bought:
        for e in range(s.n_events):
            if s.ev_kind[e] == CHECKOUT:
                for t in range(s.ev_first[e], s.ev_first[e] + s.ev_n[e]):
                    _exclude(s, w, stamp, s.to_product[t])


@core
def _take(s: Any, w: Any, stamp: Any, usable: Any, row: int, source: int) -> None:
    """Takes a row as a candidate, if it may be one and is none yet."""
    if stamp[row] < w.mark and usable[row]:
        stamp[row] = w.mark + s.n
        s.rows[s.n], s.sources[s.n] = row, source
        s.n += 1


@core
def _gather(s: Any, w: Any, n_own: int, own_wanted: int, anywhere: int) -> None:
    """Takes candidates from the lists, each once, and fills up from anywhere."""
    w.mark += MARK_STEP
    stamp = carray(pointer(w.stamp), w.rows, np.int64)
    usable = carray(pointer(w.active), w.rows, np.uint8)
    _exclude_hidden(s, w, stamp)
    s.n, most = 0, max(0, w.limit - anywhere)
    for k in range(min(n_own, own_wanted)):
        if s.n < most:
            _take(s, w, stamp, usable, s.order[k], OWN)
    k = 0
    while k < s.n_lists and s.n < most:
        end = k + 1
        if s.lists[k, 0] % 100:
            while end < s.n_lists and s.lists[end, 0] == s.lists[k, 0]:
                end += 1
        _take_of(s, w, stamp, usable, k, end, most)
        k = end
    missing = w.limit - s.n
    pool = carray(pointer(w.pool), w.pool_size, np.int64)
    for i in range(min(missing, w.pool_size)):
        at = i if w.pool_size <= missing else min(int(next_random(w) * w.pool_size), w.pool_size - 1)
        _take(s, w, stamp, usable, pool[at], ANYWHERE)


@core
def _take_of(s: Any, w: Any, stamp: Any, usable: Any, k: int, end: int, most: int) -> None:
    """Takes rows of the parts of a list in turn, as many as are wanted."""
    wanted, source, longest = s.lists[k, 1], s.lists[k, 0] // 100, 0
    for part in range(k, end):
        longest = max(longest, s.lists[part, 5])
    for turn in range(longest):
        for part in range(k, end):
            if turn < s.lists[part, 5] and wanted > 0 and s.n < most:
                wanted -= 1
                rows = carray(pointer(s.lists[part, 3]), s.lists[part, 5], np.int64)
                _take(s, w, stamp, usable, rows[turn], source)
        if wanted <= 0 or s.n >= most:
            return
