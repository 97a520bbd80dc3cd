"""The slate as the session keeps it, and what is known of one that was kept before."""

from typing import Any

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.core.layout import C_SLATES, COLUMN_COUNT, COLUMN_OFFSET, COLUMN_SIZE, N_COLUMNS, OFF_SCRATCH, SLATES
from state.kernels.core.memory import bits32, carray, copy, core, ld8, loose, pointer
from state.kernels.core.record import NAME_SLOT, UNNAMED, name_of, name_of_slot, row_of
from state.kernels.core.regional import effect_of
from state.kernels.core.text import put, put_hex

HALF_STEPS = np.array([2.0 ** (max(exponent, 1) - 25) for exponent in range(31)] + [np.inf])


@core
def half_value(b: int) -> Any:
    """Return the number whose float16 has these bits."""
    exponent = (b >> 10) & 31
    size = float((b & 1023) + (1024 if exponent else 0)) * HALF_STEPS[exponent]
    return -size if b & 0x8000 else size


@loose
def _put_halves(s: Any, item: int, a: int, i: int) -> None:
    """The features of an item as float16, which holds them."""
    for j in range(DIMENSION):
        b = np.int32(bits32(s.x[j, item]))
        sign, size = np.int32(np.int32(b >> 16) & np.int32(0x8000)), np.int32(b & np.int32(0x7FFFFFFF))
        small = np.int32(abs(s.x[j, item]) * np.float32(16777216.0))
        large = np.int32(np.int32(size - np.int32(0x38000000)) >> np.int32(13))
        s.sl_x[a, i, j] = sign | (small if size < np.int32(0x38800000) else large)


@core
def are_named(s: Any, w: Any) -> Any:
    """Return whether the record can hold the names of all items and their categories."""
    for i in range(s.k):
        item = s.chosen[i]
        if (
            ld8(w.names + NAME_SLOT * s.rows[item]) == UNNAMED
            or ld8(w.code_names + NAME_SLOT * s.codes[item]) == UNNAMED
        ):
            return False
    return True


@core
def keep_slate(s: Any, w: Any, cause: int) -> None:
    """Keep the chosen items as the newest slate, under a new decision id."""
    a = s.n_slates
    if a == SLATES:
        for c in range(N_COLUMNS):
            if COLUMN_COUNT[c] == C_SLATES:
                at = s.self_at + COLUMN_OFFSET[c]
                copy(at, at + COLUMN_SIZE[c], COLUMN_SIZE[c])
        a = SLATES - 1
    s.n_slates = a + 1
    s.sl_at_ms[a], s.sl_model[a], s.sl_cause[a] = w.now_ms, w.model_version, cause
    s.sl_version[a], s.sl_seen[a], s.sl_next_seq[a], s.sl_n[a], s.sl_flags[a] = s.applied, 0, 0, s.k, 0
    begin = s.self_at + OFF_SCRATCH
    w.named += 1
    end = put_hex(put(begin, w.texts + w.name_off, w.name_len), w.named)
    s.sl_decision[a] = name_of(s, begin, end - begin)
    for i in range(s.k):
        item = s.chosen[i]
        s.expected[i] = s.means[item]
        s.sl_propensity[a, i], s.sl_source[a, i], s.sl_explored[a, i] = s.propensity[i], s.sources[item], s.better[i]
        _put_halves(s, item, a, i)
        s.sl_product[a, i] = name_of_slot(s, w.names + NAME_SLOT * s.rows[item])
        s.sl_category[a, i] = name_of_slot(s, w.code_names + NAME_SLOT * s.codes[item])


@core
def can_show(s: Any, w: Any, a: int) -> Any:
    """Return whether all items of a slate can still be shown."""
    active = carray(pointer(w.active), w.rows, np.uint8)
    for i in range(s.sl_n[a]):
        row = row_of(s, w, s.sl_product[a, i])
        if row == 0 or not active[row]:
            return False
    return True


@core
def predict(s: Any, w: Any, a: int) -> None:
    """Find the expected rewards of a slate's items by the newest model; 0 before there is one."""
    own = carray(pointer(w.own_effect), w.rated, np.float64)
    codes = carray(pointer(w.category), w.rows, np.int64)
    for i in range(s.sl_n[a]):
        s.expected[i] = 0.0
        if w.has_theta:
            row = row_of(s, w, s.sl_product[a, i])
            total = 0.0
            for j in range(DIMENSION):
                total += half_value(s.sl_x[a, i, j]) * w.coefficients[j]
            s.expected[i] = total + own[row if row < w.rated else 0] + effect_of(w, s.group_number, codes[row], row)
