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
SEPARATOR_LENGTH = 3
ENTRY = 0x1D
COLON = 0x3A


@core
def _put_separator(p: int) -> Any:
    return put_byte(put_byte(put_byte(p, 0xE2), 0x81), 0xA3)


@core
def _put_entry(s: Any, p: int, is_device: int) -> Any:
    """Writes the device, or the time of day, of the session's moment, if it has one."""
    at = s.self_at + OFF_POOL + s.moment_off
    end = at + s.moment_len
    while at < end:
        n = 0
        while at + n < end and ld8(at + n) != ENTRY:
            n += 1
        if is_device and _is_device(at, n):
            return put(p, at + 7, n - 7)
        if not is_device and _is_time(at, n):
            return put(p, at + 5, n - 5)
        at += n + 1
    return p


@core
def _is_device(at: int, n: int) -> Any:
    """Whether an entry begins with `device:`."""
    if n < 7 or ld8(at) != 100 or ld8(at + 1) != 101 or ld8(at + 2) != 118:
        return False
    return ld8(at + 3) == 105 and ld8(at + 4) == 99 and ld8(at + 5) == 101 and ld8(at + 6) == COLON


@core
def _is_time(at: int, n: int) -> Any:
    """Whether an entry begins with `time:`."""
    if n < 5 or ld8(at) != 116 or ld8(at + 1) != 105:
        return False
    return ld8(at + 2) == 109 and ld8(at + 3) == 101 and ld8(at + 4) == COLON


@core
def group_of(s: Any, w: Any) -> Any:
    """Return where the name of the session's group is, and its length."""
    region, length = s.self_at + OFF_POOL + s.region_off, int(s.region_len)
    if w.groups and not w.groups & REGION:
        length = 0
    if w.groups == REGION or w.groups == 0:
        return region, length
    begin = s.self_at + OFF_GROUP
    p = _put_separator(put(begin, region, length))
    if w.groups & DEVICE:
        p = _put_entry(s, p, True)
    p = _put_separator(p)
    if w.groups & HOUR:
        p = _put_entry(s, p, False)
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
    if number == 0 and w.groups & REGION and s.region_len:
        at, n = s.self_at + OFF_POOL + s.region_off, int(s.region_len)
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
    if region < 0 or code >= w.region_codes:
        return 0.0
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
