"""The inner loops of a choice, compiled to machine code.

Plain loops over arrays. They keep the interpreter lock: each takes some microseconds, and to give it up for that long means to wait
for it behind whoever takes it meanwhile.
"""

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.candidates import gather
from state.kernels.features import NO_AFFINITY, describe, round_to_half
from state.kernels.items import SMALLEST_ENGAGEMENT, write_items
from state.kernels.slates import draw_down_draws, joint_draws

__all__ = [
    "NO_AFFINITY",
    "SMALLEST_ENGAGEMENT",
    "describe",
    "draw_down_draws",
    "gather",
    "joint_draws",
    "round_to_half",
    "warm",
    "write_items",
]


def warm() -> None:
    """Compiles what is not compiled yet, or loads it, so that no event waits for it."""
    rows, none = np.zeros(1, np.int64), np.zeros(0, np.int64)
    wide = np.zeros((1, DIMENSION), np.float32)
    gather(none, np.zeros((0, 2), np.int64), rows, np.ones(1, np.bool_), none, np.zeros(1), np.zeros(1, np.int64), 1)
    describe(
        rows,
        np.zeros((1, 16), np.float32),
        np.zeros((0, 4)),
        np.zeros((0, 3)),
        0.0,
        0,
        0.0,
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
        np.zeros(DIMENSION),
    )
    square, single = np.zeros((DIMENSION, DIMENSION)), np.zeros((1, 1), np.float32)
    joint_draws(wide, np.zeros(1), np.zeros(1), square, 1.0, 1.0, wide, single)
    draw_down_draws(single, np.zeros(1), np.ones(1, np.bool_), 0.0, np.zeros((2, 1)))
    items = bytearray(26) + b'\0\0["product"],["category"],["reason","general","exploration"]'
    write_items(np.frombuffer(items, np.uint8), 26, np.zeros(1), np.zeros(1), np.zeros(1, np.int64), 1.0, 0, 0, 1_000)
