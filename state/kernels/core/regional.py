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
    region = s.self_at + OFF_POOL + s.region_off
    if w.groups == REGION or w.groups == 0:
        return region, np.int64(s.region_len)
    begin = s.self_at + OFF_GROUP
    p = put(begin, region, s.region_len) if w.groups & REGION else begin
    p = _put_separator(p)
    if w.groups & DEVICE:
        p = _put_entry(s, p, True)
    p = _put_separator(p)
    if w.groups & HOUR:
        p = _put_entry(s, p, False)
    n = np.int64(p - begin)
    return begin, n if 6 < n <= LONGEST_BYTES else np.int64(0)


@core
def find_region(s: Any, w: Any) -> Any:
    """Return the number of the session's group in the model, 0 for one that it does not know, `NONE` where there is none."""
    if w.n_regions == 0:
        return np.int64(NONE)
    at, n = group_of(s, w)
    if n == 0:
        return np.int64(NONE)
    number = find_in(w.region_index, w.region_mask, w.region_names, hash_of(at, n), at, n)
    if number == 0 and w.groups & REGION and w.groups != REGION:
        n = int(_put_separator(_put_separator(at + s.region_len)) - at)
        number = find_in(w.region_index, w.region_mask, w.region_names, hash_of(at, n), at, n)
    return np.int64(number)


@core
def effect_of(w: Any, region: int, code: int) -> Any:
    """Return the mean of a category's effect in a group, 0 where there is none."""
    if region < 0 or code >= w.region_codes:
        return 0.0
    return carray(pointer(w.regional), (w.n_regions, w.region_codes, 2), np.float64)[region, code, 0]
