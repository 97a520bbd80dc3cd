"""The effects of categories in the session's region. The twin is `state/choosing/regional.py`."""

from typing import Any

import numpy as np

from state.kernels.core.layout import OFF_POOL
from state.kernels.core.memory import carray, core, pointer
from state.kernels.core.record import find_in
from state.kernels.core.text import hash_of

NONE = -1


@core
def find_region(s: Any, w: Any) -> Any:
    """Return the number of the session's region in the model, 0 for one that it does not know, `NONE` where there is none."""
    if w.n_regions == 0 or s.region_len == 0:
        return np.int64(NONE)
    at = s.self_at + OFF_POOL + s.region_off
    n: Any = np.int64(s.region_len)
    return np.int64(find_in(w.region_index, w.region_mask, w.region_names, hash_of(at, n), at, n))


@core
def effect_of(w: Any, region: int, code: int) -> Any:
    """Return the mean of a category's effect in a region, 0 where there is none."""
    if region < 0 or code >= w.region_codes:
        return 0.0
    return carray(pointer(w.regional), (w.n_regions, w.region_codes, 2), np.float64)[region, code, 0]
