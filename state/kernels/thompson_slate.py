"""Linear Thompson sampling from candidates to slate in one call, for when none of the shop's rules interferes."""

from typing import Any

import numpy as np
from numba import carray

from state.feature_set import DIMENSION, Feature
from state.kernels.balancing import Balance, boosts_of
from state.kernels.columns import (
    ASKED,
    ASKED_HEAD,
    CATEGORY_COLUMNS,
    FIXED,
    KNOWN_COLUMNS,
    SCALARS,
    TABLE_COLUMNS,
)
from state.kernels.compiled import compiled, pointer
from state.kernels.describing import Known, Scratch, describe
from state.kernels.drawing import joint_draws
from state.kernels.gathering import gather
from state.kernels.halves import half_bits
from state.kernels.packing import NAME_BYTES, put_bytes, put_flags, put_floats, put_names
from state.kernels.slots import draw_down_draws

SLATE_PARTS = 0x90 | 7
"""MessagePack's mark of an array of seven."""


@compiled
def thompson_slate(fixed_at: int, asked_at: int) -> int:
    """Find candidates, describe them, draw from the posterior, and fill the slots.

    `fixed_at` is the address of a `Fixed`, `asked_at` that of what the session brings: see `AskedHead`.

    Writes to `out` (uint8) a slate's k items as MessagePack: names of the products, of their categories, propensities, whether
    another was better by value, codes of sources (k bytes), features (k × d float16) and expected rewards (k float64); and to
    `chosen` the items' rows. Returns the length, negative if a name is not held; an empty one stands for it.
    """
    fixed = carray(pointer(fixed_at), 1, FIXED)[0]
    asked = carray(pointer(asked_at), 1, ASKED)[0]
    rows, sources, x, mean, own = _considered(fixed, asked, asked_at)
    n, limit, draws, slots = len(rows), int(asked.limit), fixed.draws, fixed.slots
    numbers = carray(pointer(fixed.scalars), 1, SCALARS)[0]
    shared = draws * DIMENSION
    normals = carray(pointer(int(asked.normals)), shared + draws * n, np.float32)
    root = carray(pointer(fixed.root), (DIMENSION, DIMENSION), np.float32)
    z_shared, z_own = normals[:shared].reshape(draws, DIMENSION), normals[shared:].reshape(draws, n)
    drawn = joint_draws(x, mean, own[1], root, numbers.scale, z_shared, z_own)
    values = mean.copy()
    if numbers.newer > 0 or numbers.rated > 0 or numbers.viewed > 0:
        boost = boosts_of(x, np.array([numbers.newer, numbers.rated, numbers.viewed]))
        values += boost
        drawn += boost
    chances = carray(pointer(int(asked.uniforms)), limit + 2 * slots, np.float64)[limit:].reshape(2, slots)
    codes, personal = carray(pointer(fixed.category), fixed.rows, np.int64)[rows], np.empty(n, np.bool_)
    for i in range(n):
        personal[i] = int(asked.personal) >> sources[i] & 1
    caps = carray(pointer(fixed.caps), 2, np.int64)
    balance = Balance(codes, personal, caps, numbers.weight, x[Feature.PRICE], x[Feature.RATING])
    found = draw_down_draws(drawn, values, np.ones(n, np.bool_), numbers.floor, chances, np.full(slots, -1), balance)
    return _write_slate(fixed, rows, sources, codes, x, mean, found)


@compiled
def _considered(fixed: Any, asked: Any, asked_at: int) -> Any:
    """The candidates' rows and sources, and all that `describe` returns of them."""
    c, p = int(asked.categories), int(asked.products)
    of_products = ASKED_HEAD + CATEGORY_COLUMNS * c
    of_excluded = of_products + KNOWN_COLUMNS * p
    of_lists = of_excluded + int(asked.excluded)
    numbers = carray(pointer(asked_at), of_lists + int(asked.lists), np.float64)
    rows, limit = fixed.rows, int(asked.limit)
    scratch = Scratch(
        carray(pointer(fixed.code_slot), fixed.codes, np.int64),
        carray(pointer(fixed.stamp), rows, np.int64),
        int(asked.mark),
    )
    gathered = gather(
        numbers[of_lists:],
        carray(pointer(fixed.pool), fixed.pool_size, np.int64),
        carray(pointer(fixed.usable), rows, np.bool_),
        numbers[of_excluded:of_lists],
        carray(pointer(int(asked.uniforms)), limit, np.float64),
        int(asked.random),
        scratch.stamp,
        scratch.mark,
    )
    known = Known(
        numbers[ASKED_HEAD:of_products].reshape(c, CATEGORY_COLUMNS),
        numbers[of_products:of_excluded].reshape(p, KNOWN_COLUMNS),
        asked.now_ms,
        int(asked.last_code),
        asked.visits,
        numbers[of_lists:],
        carray(pointer(int(asked.moment)), int(asked.moment_size), np.float64),
        carray(pointer(int(asked.regional)), (int(asked.regional_size), 2), np.float64),
        carray(pointer(int(asked.local_rows)), int(asked.local_size), np.int64),
        carray(pointer(int(asked.local)), (int(asked.local_size), 2), np.float64),
    )
    table = carray(pointer(fixed.table), (fixed.rated, TABLE_COLUMNS), np.float32)
    theta = carray(pointer(fixed.theta), DIMENSION, np.float64)
    x, mean, own = describe(gathered[0], table, known, scratch, theta)
    return gathered[0], gathered[1], x, mean, own


@compiled
def _write_slate(fixed: Any, rows: Any, sources: Any, codes: Any, x: Any, mean: Any, found: Any) -> int:
    """Writes a slate as `thompson_slate` says."""
    k = found.shape[1]
    chosen = carray(pointer(fixed.chosen), fixed.slots, np.int64)
    out = carray(pointer(fixed.out), slate_bytes(fixed.slots), np.uint8)
    items, of_items, expected = found[0].astype(np.int64), np.empty(k, np.int64), np.empty(k)
    of_sources = np.empty(k, np.uint8)
    for i in range(k):
        chosen[i], of_items[i], expected[i] = rows[items[i]], codes[items[i]], mean[items[i]]
        of_sources[i] = sources[items[i]]
    out[0] = SLATE_PARTS
    at, is_named = put_names(out, 1, fixed.product_names, chosen[:k])
    at, are_named = put_names(out, at, fixed.category_names, of_items)
    at = put_flags(out, put_floats(out, at, found[1]), found[2])
    at = put_bytes(out, at, of_sources)
    at = put_bytes(out, at, half_bits(x, items).ravel().view(np.uint8))
    at = put_bytes(out, at, expected.view(np.uint8))
    return at if is_named and are_named else -at


@compiled
def slate_bytes(slots: int) -> int:
    """Return how many bytes a slate of so many items takes at most."""
    return slots * (2 * (NAME_BYTES + 1) + 9 + 1 + 1 + 2 * DIMENSION + 8) + 32
