"""The inner loops of a choice, compiled to machine code.

Plain loops over arrays. They keep the interpreter lock: each takes some microseconds, and to give it up for that long means to wait
for it behind whoever takes it meanwhile.
"""

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.choice import (
    CODES,
    DRAWS,
    FIXED_SIZE,
    MARK_STEPS,
    NAME_BYTES,
    NO_AFFINITY,
    OUT,
    POOL_SIZE,
    PRICE_FEATURE,
    RATED,
    RATING_FEATURE,
    ROWS,
    SLOTS,
    UNNAMED,
    boosts_of,
    describe,
    draw_down_draws,
    draw_down_scores,
    gather,
    joint_draws,
    liken,
    round_as_half,
    slate_bytes,
    thompson_slate,
)
from state.kernels.items import SMALLEST_ENGAGEMENT, write_items
from state.kernels.learning import warm as warm_learning

__all__ = [
    "MARK_STEPS",
    "NAME_BYTES",
    "NO_AFFINITY",
    "PRICE_FEATURE",
    "RATING_FEATURE",
    "SMALLEST_ENGAGEMENT",
    "UNNAMED",
    "boosts_of",
    "describe",
    "draw_down_draws",
    "draw_down_scores",
    "gather",
    "joint_draws",
    "liken",
    "round_as_half",
    "slate_bytes",
    "thompson_slate",
    "warm",
    "warm_learning",
    "write_items",
]


def warm() -> None:
    """Compiles what is not compiled yet, or loads it, so that no event waits for it."""
    warm_learning()
    rows, none, usable = np.zeros(1, np.int64), np.zeros(0), np.ones(1, np.bool_)
    stamp, slot, theta = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(DIMENSION)
    table, categories, products = np.zeros((1, 16), np.float32), np.zeros((0, 4)), np.zeros((0, 3))
    root, single = np.zeros((DIMENSION, DIMENSION), np.float32), np.zeros((1, 1), np.float32)
    wide, numbers = np.zeros((1, DIMENSION), np.float32), np.zeros(2 * DIMENSION, np.float32)
    gather(none, rows, usable, none, np.zeros(1), 0, stamp, 1)
    describe(rows, table, categories, products, 0.0, 0, 0.0, none, none, slot, stamp, 1, theta)
    joint_draws(wide.reshape(DIMENSION, 1), np.zeros(1), np.zeros(1), root, 1.0, wide, single)
    caps, column = np.ones(2, np.int64), np.zeros(1, np.float32)
    balance = (rows, ~usable, caps, 0.0, column, column)
    draw_down_draws(single, np.zeros(1), usable, 0.0, np.zeros((2, 1)), rows, *balance)
    draw_down_scores(np.zeros(1), np.zeros(1), 1.0, usable, 0.0, np.zeros((2, 1)), rows, *balance)
    liken(column, 0, rows, column, column, 0.0)
    boosts_of(wide.reshape(DIMENSION, 1), np.zeros(3))
    round_as_half(numbers)
    _warm_slate()
    flags = 8 * DIMENSION + 32 + 2
    items = bytearray(flags) + b'\0\0["p"],["c"],[""],"",["reason","general","exploration"]'
    write_items(np.frombuffer(items, np.uint8), 1, flags, np.zeros(1), 1.0, -1, 1_000)


def _warm_slate() -> None:
    """The one call, of no candidates and no items; zeros do for all that it reads."""
    zeros, out = np.zeros(DIMENSION), np.zeros(slate_bytes(0), np.uint8)
    fixed = np.full(FIXED_SIZE, zeros.ctypes.data, np.int64)
    fixed[[RATED, ROWS, CODES, POOL_SIZE, DRAWS, SLOTS]] = 0
    fixed[OUT] = out.ctypes.data
    thompson_slate(fixed, zeros.ctypes.data)
