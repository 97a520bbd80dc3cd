"""The effects of categories in the session's group. The twins are `state/choosing/regional.py` and `state/session/group.py`."""

from typing import Any

import numpy as np

from state.kernels.core.layout import OFF_GROUP, OFF_POOL
from state.kernels.core.memory import carray, core, ld8, pointer
from state.kernels.core.record import find_in
from state.kernels.core.text import hash_of, put, put_byte

NONE = -1
REGION, DEVICE, HOUR = 1, 2, 4
LONGEST_BYTES = 200
"""As in `state/configuration/groups.py`."""
SEPARATOR, SEPARATOR_LENGTH = int.from_bytes(b"\xe2\x81\xa3", "little"), 3
DEVICE_BEGIN, DEVICE_LENGTH = int.from_bytes(b"device:", "little"), 7
HOUR_BEGIN, HOUR_LENGTH = int.from_bytes(b"time:", "little"), 5
ENTRY, OF_PASSED, OF_CELLS = 0x1D, 0x1E, 0x1F


@core
def _put_separator(p: int) -> Any:
    return put_byte(put_byte(put_byte(p, 0xE2), 0x81), 0xA3)


@core
def _begins(at: int, n: int, begin: int, length: int) -> Any:
    """Whether the n bytes begin with those of a number, the lowest first."""
    if n < length:
        return False
    for i in range(length):
        if ld8(at + i) != (begin >> (8 * i)) & 0xFF:
            return False
    return True


@core
def _whole(at: int, n: int) -> Any:
    """Return the length of a name, 0 for one that holds the separator or one of those of cells."""
    for i in range(n):
        if ld8(at + i) == OF_CELLS or ld8(at + i) == OF_PASSED or _begins(at + i, n - i, SEPARATOR, SEPARATOR_LENGTH):
            return 0
    return n


@core
def _put_entry(s: Any, p: int, begin: int, length: int) -> Any:
    """Writes the rest of the first entry of the session's moment that begins so, if there is one."""
    at = s.self_at + OFF_POOL + s.moment_off
    end = at + s.moment_len
    while at < end:
        n = 0
        while at + n < end and ld8(at + n) != ENTRY:
            n += 1
        if _begins(at, n, begin, length):
            return put(p, at + length, _whole(at + length, n - length))
        at += n + 1
    return p


@core
def group_of(s: Any, w: Any) -> Any:
    """Return where the name of the session's group is, and its length."""
    region = s.self_at + OFF_POOL + s.region_off
    length = _whole(region, int(s.region_len)) if w.groups == 0 or w.groups & REGION else 0
    begin = s.self_at + OFF_GROUP
    p = _put_separator(put(begin, region, length))
    if w.groups & DEVICE:
        p = _put_entry(s, p, DEVICE_BEGIN, DEVICE_LENGTH)
    p = _put_separator(p)
    if w.groups & HOUR:
        p = _put_entry(s, p, HOUR_BEGIN, HOUR_LENGTH)
    n = int(p - begin)
    if n == length + 2 * SEPARATOR_LENGTH:
        return region, length
    return begin, n if n <= LONGEST_BYTES else 0


@core
def find_region(s: Any, w: Any) -> Any:
    """Return the number of the session's group in the model, 0 for one that it does not know, `NONE` where there is none."""
    if w.n_regions == 0:
        return np.int64(NONE)
    at, n = group_of(s, w)
    if n == 0:
        return np.int64(NONE)
    number = find_in(w.region_index, w.region_mask, w.region_names, hash_of(at, n), at, n)
    if number == 0 and w.groups & REGION:
        at = s.self_at + OFF_POOL + s.region_off
        n = _whole(at, int(s.region_len))
        if n:
            number = find_in(w.region_index, w.region_mask, w.region_names, hash_of(at, n), at, n)
    return np.int64(number)


@core
def local_of(w: Any, region: int) -> Any:
    """Return which products have an effect in a group: the first of them, and how many there are."""
    if region < 0:
        return np.int64(0), np.int64(0)
    begins = carray(pointer(w.local_begins), (w.n_regions, 2), np.int64)
    return begins[region, 0], np.int64(begins[region, 1] - begins[region, 0])


@core
def effect_of(w: Any, region: int, code: int, row: int) -> Any:
    """Return the mean of the effects of a category and of a product in a group, 0 where there are none."""
    if region < 0:
        return 0.0
    of_category = 0.0
    if code < w.region_codes:
        of_category = carray(pointer(w.regional), (w.n_regions, w.region_codes, 2), np.float64)[region, code, 0]
    begin, n = local_of(w, region)
    rows, means = (
        carray(pointer(w.local_rows + 8 * begin), n, np.int64),
        carray(pointer(w.local + 16 * begin), (n, 2), np.float64),
    )
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if rows[middle] < row:
            low = middle + 1
        else:
            high = middle
    return of_category + (means[low, 0] if low < n and rows[low] == row else 0.0)
