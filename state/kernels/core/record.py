"""The session's record: from the state value and back, its names, and what the world knows of a name."""

from typing import Any

import numpy as np

from state.kernels.core.layout import (
    BUNDLED,
    C_EVENTS,
    C_POOL,
    COLUMN_COUNT,
    COLUMN_OFFSET,
    COLUMN_SIZE,
    COUNT_CAPACITY,
    FULL_STRENGTH,
    HEAD_BYTES,
    INDEX,
    ITEMS,
    N_COLUMNS,
    NAMES,
    OF_THE_JOB,
    OFF_POOL,
    OFF_SCRATCH,
    POOL,
    RESOLVED,
    TOUCHES,
)
from state.kernels.core.memory import carray, copy, core, entry, ld8, move, pointer, st8, st64
from state.kernels.core.text import hash_of, put, same

FORM = 2
"""The first byte of a state value that is a record."""
NAME_SLOT = 64
"""Bytes of a name in a column of the catalogue: its length, and up to 63 of its bytes."""
UNNAMED = 255
NO_LIST = 0
"""Number of the list that is empty and never fresh."""
ROOM_NAMES, ROOM_POOL, ROOM_TOUCHES = 2 * ITEMS + 72, 6_520, 32
"""What one input and its slate may add at most."""
LOADED_CAPACITY = COUNT_CAPACITY - np.array([2, 0, 0, 24, 0, 2, 0, 0])
"""Of each count of a state value: an event, a slate's exposures and a product shown find room in any case."""
LONGEST_HELD, LONGEST_MOMENT, LONGEST_REGION, LONGEST_USER = 128, 900, 128, 32
"""Bytes of texts that a state value may hold: what is written anywhere goes by these."""
CHECKOUT_KIND = 3
"""Number of the type of event that can be of bundles: `CHECKOUT` of `reading.py`."""
MOST_WORTH = 1e6
"""Rewards are in [-1, 1]: what is beyond this, or no number, is damaged."""
MOST_TOTAL, MOST_KNOWN = 1e12, 2.0
"""Of a user: the decayed weight of all events, and the largest affinity as a multiple of it."""


@core
def load(s: Any, w: Any, at: int, size: int) -> Any:
    """Bring the session from its state value into the record, a new one from none; False where the value is no record, or one of
    another policy's slates."""
    me = s.self_at
    if size == 0:
        for i in range(HEAD_BYTES // 8):
            st64(me + 8 * i, 0)
        s.n_names = 1
        s.na_len[0] = 0
        s.na_off[0] = 0
        s.policy_off, s.policy_len = keep(s, w.texts + w.key_off, w.key_len), w.key_len
    else:
        if size < 1 + HEAD_BYTES or ld8(at) != FORM:
            return False
        copy(me, at + 1, HEAD_BYTES)
        counts = carray(pointer(me), C_POOL + 1, np.int32)
        needed = 1 + HEAD_BYTES
        for c in range(C_POOL + 1):
            if counts[c] < 0 or counts[c] > LOADED_CAPACITY[c]:
                return False
        for c in range(N_COLUMNS):
            needed += counts[COLUMN_COUNT[c]] * COLUMN_SIZE[c]
        if needed != size or counts[2] < 1:
            return False
        at += 1 + HEAD_BYTES
        for c in range(N_COLUMNS):
            n = counts[COLUMN_COUNT[c]] * COLUMN_SIZE[c]
            copy(me + COLUMN_OFFSET[c], at, n)
            at += n
        if not _is_sound(s) or s.policy_len != w.key_len:
            return False
        if not same(me + OFF_POOL + s.policy_off, w.texts + w.key_off, w.key_len):
            return False
    s.mark += 1
    pool = me + OFF_POOL
    for i in range(1, s.n_names):
        s.na_hash[i] = hash_of(pool + s.na_off[i], s.na_len[i])
        _index(s, i)
    for i in range(s.n_events):
        s.ev_hash[i] = hash_of(pool + s.ev_off[i], s.ev_len[i])
    s.na_hash[0], s.na_row[0], s.na_code[0] = 0, 0, 0
    return True


@core
def _is_strength(code: int) -> Any:
    return code in (FULL_STRENGTH, -FULL_STRENGTH) or 1_000 <= code <= 5_000


@core
def _is_sound_hint(s: Any) -> Any:
    """Whether what is known of the user is: affinities in a range that can be printed, and a list whose lengths add up."""
    if s.hint_products > s.n_hint or (s.has_hint == 0 and (s.n_hint or s.listed_len)):
        return False
    if not 0 <= s.hint_total <= MOST_TOTAL:
        return False
    for i in range(s.n_hint):
        if not 0 < s.hi_name[i] < s.n_names or not 0 <= s.hi_value[i] <= MOST_KNOWN * s.hint_total:
            return False
    if s.listed_off + s.listed_len > s.pool_len:
        return False
    at = s.self_at + OFF_POOL + s.listed_off
    end = at + s.listed_len
    while at < end:
        at += 1 + ld8(at)
    return at == end


@core
def _bundles_length(s: Any, e: int) -> Any:
    """Bytes of what an event is a checkout of."""
    off = s.ev_bundles[e] - 1
    return 1 + ld8(s.self_at + OFF_POOL + off) if 0 <= off < s.pool_len else 0


@core
def _are_sound_bundles(s: Any, e: int) -> Any:
    """Whether the bundles of a checkout are of its products, and end where they should."""
    n, off = _bundles_length(s, e), s.ev_bundles[e] - 1
    if n == 0 or n > 1 + BUNDLED or off + n > s.pool_len or s.ev_kind[e] != CHECKOUT_KIND:
        return False
    at = s.self_at + OFF_POOL + off
    end = at + n
    at += 1
    while at < end:
        count = ld8(at)
        if count == 0 or at + 1 + count > end:
            return False
        for k in range(count):
            t = ld8(at + 1 + k)
            if t >= s.ev_n[e] or s.to_product[s.ev_first[e] + t] == 0:
                return False
        at += 1 + count
    return True


@core
def _is_sound(s: Any) -> Any:
    """Whether nothing in the record points beyond it: what is read from state is trusted no more than what is read from Kafka."""
    names, pool, touches = s.n_names, s.pool_len, 0
    texts = s.horizon_len + s.region_len + s.moment_len + s.user_len + s.policy_len + s.listed_len
    for i in range(names):
        texts += s.na_len[i]
        if s.na_off[i] + s.na_len[i] > pool or s.na_len[i] > LONGEST_HELD:
            return False
    for t in range(s.n_touches):
        if s.to_product[t] >= names or s.to_category[t] >= names:
            return False
    for i in range(s.n_events):
        texts += s.ev_len[i]
        touches += s.ev_n[i]
        if (
            s.ev_off[i] + s.ev_len[i] > pool
            or s.ev_first[i] + s.ev_n[i] > s.n_touches
            or s.ev_decision[i] >= names
            or s.ev_kind[i] > 10
            or not _is_strength(s.ev_strength[i])
        ):
            return False
        if s.ev_bundles[i]:
            texts += _bundles_length(s, i)
            if not _are_sound_bundles(s, i):
                return False
    if texts > pool or touches > s.n_touches:  # each is there once: a sweep copies them one behind the other
        return False
    for i in range(s.n_open):
        if s.op_product[i] >= names or s.op_decision[i] >= names or s.op_position[i] >= ITEMS:
            return False
        if not abs(s.op_reward[i]) + abs(s.op_told_reward[i]) + abs(s.op_told_weight[i]) <= MOST_WORTH:
            return False
    for a in range(s.n_slates):
        if s.sl_n[a] > ITEMS or s.sl_decision[a] >= names:
            return False
        for i in range(s.sl_n[a]):
            if s.sl_product[a, i] >= names or s.sl_category[a, i] >= names or not abs(s.sl_propensity[a, i]) <= 2:
                return False
    for i in range(s.n_shown):
        if s.sh_name[i] >= names:
            return False
    if not _is_sound_hint(s):
        return False
    if s.region_len > LONGEST_REGION or s.moment_len > LONGEST_MOMENT or s.user_len > LONGEST_USER:
        return False
    return (
        s.horizon_off + s.horizon_len <= pool
        and s.region_off + s.region_len <= pool
        and s.moment_off + s.moment_len <= pool
        and s.user_off + s.user_len <= pool
        and s.policy_off + s.policy_len <= pool
    )


@core
def _index(s: Any, i: int) -> None:
    slot = s.na_hash[i] & (INDEX - 1)
    while s.na_slot_mark[slot] == s.mark:
        slot = (slot + 1) & (INDEX - 1)
    s.na_slot_mark[slot] = s.mark
    s.na_slot[slot] = i
    s.na_row[i] = -1
    s.na_code[i] = -1


@core
def store(s: Any, to: int) -> Any:
    """Write the state value; return where it ends."""
    me = s.self_at
    if s.pool_len > s.swept_len + s.swept_len // 4 + 256:
        sweep(s)
    st8(to, FORM)
    copy(to + 1, me, HEAD_BYTES)
    to += 1 + HEAD_BYTES
    counts = carray(pointer(me), C_POOL + 1, np.int32)
    for c in range(N_COLUMNS):
        n = counts[COLUMN_COUNT[c]] * COLUMN_SIZE[c]
        copy(to, me + COLUMN_OFFSET[c], n)
        to += n
    return to


@core
def has_room(s: Any) -> Any:
    """Return whether an input and its slate find room for all that they may add; sweeps first if not."""
    if s.n_names + ROOM_NAMES <= NAMES and s.pool_len + ROOM_POOL <= POOL and s.n_touches + ROOM_TOUCHES <= TOUCHES:
        return True
    sweep(s)
    return s.n_names + ROOM_NAMES <= NAMES and s.pool_len + ROOM_POOL <= POOL and s.n_touches + ROOM_TOUCHES <= TOUCHES


@core
def has_names_left(s: Any) -> Any:
    """Return whether there is room for a name beyond what an input and its slate may add."""
    return s.n_names + ROOM_NAMES <= NAMES and s.pool_len + ROOM_POOL <= POOL


@core
def _sort_touches(s: Any) -> None:
    """Puts the touches into the order of their events, without those of events that are gone."""
    n = 0
    for i in range(s.n_events):
        first = s.ev_first[i]
        s.ev_first[i] = n
        for t in range(s.ev_n[i]):
            s.na_new[n] = first + t
            n += 1
    for t in range(n):
        a = s.na_new[t]
        s.aff_list[t], s.cat_list[t], s.order[t] = s.to_product[a], s.to_category[a], s.to_credited[a]
    for t in range(n):
        s.to_product[t], s.to_category[t], s.to_credited[t] = s.aff_list[t], s.cat_list[t], s.order[t]
    s.n_touches = n


@core
def _mark_used(s: Any) -> None:
    """Marks the names that something refers to."""
    s.mark2 += 1
    m = s.mark2
    for t in range(s.n_touches):
        s.na_mark[s.to_product[t]] = m
        s.na_mark[s.to_category[t]] = m
    for i in range(s.n_events):
        s.na_mark[s.ev_decision[i]] = m
    for i in range(s.n_open):
        s.na_mark[s.op_product[i]] = m
        s.na_mark[s.op_decision[i]] = m
    for a in range(s.n_slates):
        s.na_mark[s.sl_decision[a]] = m
        for i in range(s.sl_n[a]):
            s.na_mark[s.sl_product[a, i]] = m
            s.na_mark[s.sl_category[a, i]] = m
    for i in range(s.n_shown):
        s.na_mark[s.sh_name[i]] = m
    for i in range(s.n_hint):
        s.na_mark[s.hi_name[i]] = m


@core
def _renumber(s: Any) -> None:
    """Brings all references to names to their new numbers."""
    for t in range(s.n_touches):
        s.to_product[t], s.to_category[t] = s.na_new[s.to_product[t]], s.na_new[s.to_category[t]]
    for i in range(s.n_events):
        s.ev_decision[i] = s.na_new[s.ev_decision[i]]
    for i in range(s.n_open):
        s.op_product[i], s.op_decision[i] = s.na_new[s.op_product[i]], s.na_new[s.op_decision[i]]
    for a in range(s.n_slates):
        s.sl_decision[a] = s.na_new[s.sl_decision[a]]
        for i in range(s.sl_n[a]):
            s.sl_product[a, i], s.sl_category[a, i] = s.na_new[s.sl_product[a, i]], s.na_new[s.sl_category[a, i]]
    for i in range(s.n_shown):
        s.sh_name[i] = s.na_new[s.sh_name[i]]
    for i in range(s.n_hint):
        s.hi_name[i] = s.na_new[s.hi_name[i]]


@core
def _kept(s: Any, fresh: int, to: int, off: int, n: int) -> Any:
    """Copies a text of the pool to the fresh one; returns where it ends there."""
    copy(fresh + to, s.self_at + OFF_POOL + off, n)
    return to + n


@core
def sweep(s: Any) -> None:
    """Leave out names, touches and texts that nothing refers to any more."""
    _sort_touches(s)
    _mark_used(s)
    pool, fresh = s.self_at + OFF_POOL, s.self_at + OFF_SCRATCH
    to, n = 0, 1
    for i in range(1, s.n_names):
        if s.na_mark[i] == s.mark2:
            length = s.na_len[i]
            _kept(s, fresh, to, s.na_off[i], length)
            s.na_hash[n], s.na_off[n], s.na_len[n] = s.na_hash[i], to, length
            to += length
            s.na_new[i] = n
            n += 1
    s.na_new[0] = 0
    s.n_names = n
    _renumber(s)
    for i in range(s.n_events):
        length = s.ev_len[i]
        _kept(s, fresh, to, s.ev_off[i], length)
        s.ev_off[i] = to
        to += length
        if s.ev_bundles[i]:
            length = _bundles_length(s, i)
            _kept(s, fresh, to, s.ev_bundles[i] - 1, length)
            s.ev_bundles[i] = to + 1
            to += length
    _kept(s, fresh, to, s.horizon_off, s.horizon_len)
    s.horizon_off = to
    to += s.horizon_len
    _kept(s, fresh, to, s.region_off, s.region_len)
    s.region_off = to
    to += s.region_len
    _kept(s, fresh, to, s.moment_off, s.moment_len)
    s.moment_off = to
    to += s.moment_len
    _kept(s, fresh, to, s.user_off, s.user_len)
    s.user_off = to
    to += s.user_len
    _kept(s, fresh, to, s.policy_off, s.policy_len)
    s.policy_off = to
    to += s.policy_len
    _kept(s, fresh, to, s.listed_off, s.listed_len)
    s.listed_off = to
    to += s.listed_len
    copy(pool, fresh, to)
    s.pool_len = to
    s.swept_len = to
    s.mark += 1
    for i in range(1, s.n_names):
        _index(s, i)


@core
def keep(s: Any, at: int, n: int) -> Any:
    """Keep a text in the session's pool; return where."""
    off = s.pool_len
    put(s.self_at + OFF_POOL + off, at, n)
    s.pool_len = off + n
    return off


@core
def forget_hint(s: Any) -> None:
    """Forget what was known of a user who is another by now."""
    s.has_hint, s.n_hint, s.hint_products, s.listed_len = 0, 0, 0, 0
    s.hint_total, s.hint_seen_ms = 0.0, 0


@core
def name_of(s: Any, at: int, n: int) -> Any:
    """Return the number of a name in the session, which it has then."""
    if n == 0:
        return 0
    h = hash_of(at, n)
    pool = s.self_at + OFF_POOL
    slot = h & (INDEX - 1)
    while s.na_slot_mark[slot] == s.mark:
        i = s.na_slot[slot]
        if s.na_hash[i] == h and s.na_len[i] == n and same(pool + s.na_off[i], at, n):
            return int(i)
        slot = (slot + 1) & (INDEX - 1)
    i = s.n_names
    s.n_names = i + 1
    s.na_hash[i], s.na_off[i], s.na_len[i] = h, keep(s, at, n), n
    s.na_slot_mark[slot] = s.mark
    s.na_slot[slot] = i
    s.na_row[i] = -1
    s.na_code[i] = -1
    return int(i)


@core
def name_of_slot(s: Any, at: int) -> Any:
    """Return the number of a name that stands in a column of the catalogue."""
    return name_of(s, at + 1, ld8(at))


@core
def name_at(s: Any, i: int) -> Any:
    """Return where a name stands."""
    return s.self_at + OFF_POOL + s.na_off[i]


@core
def put_name(s: Any, to: int, i: int) -> Any:
    """Write a name; return where it ends."""
    return put(to, s.self_at + OFF_POOL + s.na_off[i], s.na_len[i])


@core
def find_in(index: int, mask: int, names: int, h: int, at: int, n: int) -> Any:
    """Return the number of a name in an index of a column of names; 0 where it is not held."""
    slots = carray(pointer(index), (mask + 1, 2), np.int64)
    slot = h & mask
    while slots[slot, 1] != -1:
        number = slots[slot, 1]
        if number >= 0 and slots[slot, 0] == h:
            held = names + NAME_SLOT * number
            if ld8(held) == n and same(held + 1, at, n):
                return number
        slot = (slot + 1) & mask
    return 0


@core
def row_of(s: Any, w: Any, i: int) -> Any:
    """Return the catalogue's row of a name, 0 where it is not held."""
    row = s.na_row[i]
    if row < 0:
        row = find_in(w.row_index, w.row_mask, w.names, s.na_hash[i], name_at(s, i), s.na_len[i])
        s.na_row[i] = row
    return int(row)


@core
def code_of(s: Any, w: Any, i: int) -> Any:
    """Return the code of a category, 0 where no product is in it."""
    code = s.na_code[i]
    if code < 0:
        code = find_in(w.code_index, w.code_mask, w.code_names, s.na_hash[i], name_at(s, i), s.na_len[i])
        s.na_code[i] = code
    return int(code)


@entry
def fill_index(names: int, n: int, held: int, index: int, mask: int, hashes: int) -> None:
    """Index the held ones of n names, from number 1 on, in (mask + 1, 2) slots of hash and number that are all free (-1)."""
    of, is_held = carray(pointer(hashes), n, np.int64), carray(pointer(held), n, np.uint8)
    for number in range(1, n):
        if is_held[number]:
            of[number] = hash_of(names + NAME_SLOT * number + 1, _held_length(names + NAME_SLOT * number))
            put_in(index, mask, of[number], number)


@core
def _held_length(at: int) -> Any:
    n = ld8(at)
    return 0 if n == UNNAMED else n


@entry
def put_in(index: int, mask: int, h: int, number: int) -> None:
    """Enter a number into the index."""
    slots = carray(pointer(index), (mask + 1, 2), np.int64)
    slot = h & mask
    while slots[slot, 1] >= 0:
        slot = (slot + 1) & mask
    slots[slot, 0], slots[slot, 1] = h, number


@entry
def move_in(names: int, number: int, is_held: int, index: int, mask: int, hashes: int, n: int) -> None:
    """Take a number out of the index, and enter it again where it stands for a name; -2 marks a slot that was left."""
    of = carray(pointer(hashes), n, np.int64)
    slots = carray(pointer(index), (mask + 1, 2), np.int64)
    slot = of[number] & mask
    while slots[slot, 1] != -1:
        if slots[slot, 1] == number:
            slots[slot, 1] = -2
            break
        slot = (slot + 1) & mask
    if is_held:
        of[number] = hash_of(names + NAME_SLOT * number + 1, _held_length(names + NAME_SLOT * number))
        put_in(index, mask, of[number], number)


@core
def key_from(kind: int, h: int) -> Any:
    """Return the hash by which `resolved` finds a list whose name has a hash."""
    return h + kind * 0x632BE59BD9B4E019


@core
def resolved(s: Any, w: Any, kind: int, at: int, n: Any) -> Any:
    """Return the number of a list that was asked for, NO_LIST if there is none; -1 if it was not asked for yet, which the record
    notes as missed."""
    h = key_from(kind, hash_of(at, n))
    mask = w.resolved_mask
    slots = carray(pointer(w.resolved_index), (mask + 1, 2), np.int64)
    lists = carray(pointer(w.resolved), mask + 1, RESOLVED)
    slot = h & mask
    while slots[slot, 1] != -1:
        number = slots[slot, 1]
        if number >= 0 and slots[slot, 0] == h:
            of = lists[number]
            if of.kind == kind and of.name_len == n and same(of.name, at, n):
                return number
        slot = (slot + 1) & mask
    if OF_THE_JOB[0] <= kind <= OF_THE_JOB[1] and not exists(w, h):
        return NO_LIST
    s.miss_kind, s.miss_at, s.miss_len = kind, at, n
    return -1


@core
def exists(w: Any, h: int) -> Any:
    """Return whether the rest of the job has sent a list with this key; another may share its hash."""
    mask = w.existing_mask
    slots = carray(pointer(w.existing), mask + 1, np.int64)
    slot = h & mask
    while slots[slot] != 0:
        if slots[slot] == h:
            return True
        slot = (slot + 1) & mask
    return False


@entry
def key_of(kind: int, at: int, n: int) -> Any:
    """Return the hash by which `resolved` finds a list."""
    return key_from(kind, hash_of(at, n))


@core
def strength_of(s: Any, e: int) -> Any:
    """Return an event's strength, in [-1, 1]."""
    code = s.ev_strength[e]
    if code == FULL_STRENGTH:
        return 1.0
    return -1.0 if code == -FULL_STRENGTH else (code / 1_000.0 - 3.0) / 2.0


@core
def shift(s: Any, at: int, by: int) -> None:
    """Make room for an event (1), or take one out (-1)."""
    me = s.self_at
    for c in range(N_COLUMNS):
        if COLUMN_COUNT[c] == C_EVENTS:
            size = COLUMN_SIZE[c]
            place = me + COLUMN_OFFSET[c] + at * size
            if by > 0:
                move(place + size, place, (s.n_events - at) * size)
            else:
                move(place, place + size, (s.n_events - at - 1) * size)
    if by > 0:
        for i in range(s.n_events, at, -1):
            s.ev_hash[i] = s.ev_hash[i - 1]
    else:
        for i in range(at, s.n_events - 1):
            s.ev_hash[i] = s.ev_hash[i + 1]
    s.n_events += by


@core
def remove_open(s: Any) -> None:
    """Take out the exposures whose chain entry is -7."""
    to = 0
    for i in range(s.n_open):
        if s.op_chain[i] != -7:
            if to != i:
                for c in range(N_COLUMNS):
                    if COLUMN_COUNT[c] == 3:
                        at = s.self_at + COLUMN_OFFSET[c]
                        copy(at + to * COLUMN_SIZE[c], at + i * COLUMN_SIZE[c], COLUMN_SIZE[c])
            to += 1
    s.n_open = to
