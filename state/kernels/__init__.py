"""The inner loops of a choice, compiled to machine code.

Plain loops over arrays. They keep the interpreter lock: each takes some microseconds, and to give it up for that long means to wait
for it behind whoever takes it meanwhile.
"""

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.choice import (
    NO_AFFINITY,
    PRICE_FEATURE,
    RATING_FEATURE,
    SOURCE_STEPS,
    boosts_of,
    describe,
    draw_down_draws,
    draw_down_scores,
    gather,
    joint_draws,
    liken,
    round_as_half,
    thompson_slate,
)
from state.kernels.items import SMALLEST_ENGAGEMENT, write_items
from state.kernels.learning import warm as warm_learning

__all__ = [
    "NO_AFFINITY",
    "PRICE_FEATURE",
    "RATING_FEATURE",
    "SMALLEST_ENGAGEMENT",
    "SOURCE_STEPS",
    "boosts_of",
    "describe",
    "draw_down_draws",
    "draw_down_scores",
    "gather",
    "joint_draws",
    "liken",
    "round_as_half",
    "thompson_slate",
    "warm",
    "warm_learning",
    "write_items",
]


def warm() -> None:
    """Compiles what is not compiled yet, or loads it, so that no event waits for it."""
    warm_learning()
    rows, none, usable = np.zeros(1, np.int64), np.zeros(0, np.int64), np.ones(1, np.bool_)
    stamp, slot, theta = np.zeros(1, np.int64), np.zeros(1, np.int64), np.zeros(DIMENSION)
    table, categories, products = np.zeros((1, 16), np.float32), np.zeros((0, 4)), np.zeros((0, 3))
    told, moment = np.zeros((0, 3)), np.zeros(0)
    root, single = np.zeros((DIMENSION, DIMENSION), np.float32), np.zeros((1, 1), np.float32)
    wide, normals = np.zeros((1, DIMENSION), np.float32), np.zeros(2 * DIMENSION, np.float32)
    gather(none, rows, usable, none, np.zeros(1), 0, stamp, 1)
    known = (table, categories, products, 0.0, 0, 0.0, told, moment, slot, slot.copy(), theta)
    describe(rows, *known)
    joint_draws(wide.reshape(DIMENSION, 1), np.zeros(1), np.zeros(1), root, 1.0, wide, single)
    caps, column = np.ones(2, np.int64), np.zeros(1, np.float32)
    balance = (rows, ~usable, caps, 0.0, column, column)
    draw_down_draws(single, np.zeros(1), usable, 0.0, np.zeros((2, 1)), rows, *balance)
    draw_down_scores(np.zeros(1), np.zeros(1), 1.0, usable, 0.0, np.zeros((2, 1)), rows, *balance)
    liken(column, 0, rows, column, column, 0.0)
    boosts_of(wide.reshape(DIMENSION, 1), np.zeros(3))
    round_as_half(normals)
    chance = (root, 1.0, 0.0, np.zeros(3), 1, normals, 1)
    thompson_slate(none, rows, usable, none, 0, stamp, 2, *known, *chance, rows, usable, caps, 0.0, np.zeros(3))
    items = bytearray(26) + b'\0\0["p"],["c"],[""],"",["reason","general","exploration"]'
    write_items(np.frombuffer(items, np.uint8), 26, np.zeros(1), np.zeros(1), np.zeros(1, np.int64), 1.0, -1, 1_000)
