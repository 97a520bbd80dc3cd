"""Compiling all kernels before the first event: at an install by `python -m state.kernels`, else when an operator opens."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from state.feature_set import DIMENSION
from state.kernels import learning
from state.kernels.balancing import Balance, boosts_of, liken
from state.kernels.cache import Compilation, compilation, is_complete, note_complete
from state.kernels.columns import ASKED, CATEGORY_COLUMNS, FIXED, KNOWN_COLUMNS, TABLE_COLUMNS
from state.kernels.core import warming as core
from state.kernels.describing import Known, Scratch, describe
from state.kernels.drawing import joint_draws
from state.kernels.gathering import gather
from state.kernels.halves import round_as_half
from state.kernels.items import write_items
from state.kernels.slots import draw_down_draws, draw_down_scores
from state.kernels.thompson_slate import slate_bytes, thompson_slate

NO_ARRAYS = ("rated", "rows", "codes", "pool_size", "draws", "slots")
"""Sizes in a `Fixed`."""


class Warming(NamedTuple):
    """Account of what it took to have kernels ready; `why` is empty if none had to be compiled."""

    done: Compilation
    seconds: float

    @property
    def why(self) -> str:
        """Why kernels were compiled here and now, and what helps."""
        if not self.done.compiled:
            return ""
        if self.done.broken:
            why = "what was kept of them cannot be read"
        elif self.done.foreign:
            why = "those that were kept are for another kind of processor"
        else:
            why = "none were kept for these sources, see `python -m state.kernels`"
        return why + ("; nowhere can they be written, so each process compiles them" if self.done.unwritten else "")


def warm() -> Warming:
    """Compile what is not compiled yet, or load it, so that no event waits for it."""
    warming = _timed(_warm_all)
    if not warming.done.unwritten and not is_complete():
        note_complete()
    return warming


def warm_learning() -> Warming:
    """Compile or load the kernels that learn alone."""
    return _timed(learning.warm)


def _timed(step: Callable[[], None]) -> Warming:
    before, began_s = compilation(), time.perf_counter()
    step()
    return Warming(compilation().since(before), time.perf_counter() - began_s)


def _warm_all() -> None:
    learning.warm()
    core.warm()
    _warm_steps()
    _warm_slate()
    flags = 8 * DIMENSION + 32 + 2
    items = bytearray(flags) + b'\0\0["p"],["c"],[""],"",["reason","general","exploration"]'
    write_items(np.frombuffer(items, np.uint8), 1, flags, np.zeros(1), 1.0, -1, 1_000)


def _warm_steps() -> None:
    """One call of each step, of one candidate."""
    rows, none, usable = np.zeros(1, np.int64), np.zeros(0), np.ones(1, np.bool_)
    table, theta = np.zeros((1, TABLE_COLUMNS), np.float32), np.zeros(DIMENSION)
    known = Known(
        np.zeros((0, CATEGORY_COLUMNS)),
        np.zeros((0, KNOWN_COLUMNS)),
        0.0,
        0,
        0.0,
        none,
        none,
        np.zeros((0, 2)),
        rows,
        np.zeros((0, 2)),
    )
    scratch = Scratch(np.zeros(1, np.int64), np.zeros(1, np.int64), 1)
    gather(none, rows, usable, none, np.zeros(1), 0, np.zeros(1, np.int64), 1)
    describe(rows, table, known, scratch, theta)
    root, single = np.zeros((DIMENSION, DIMENSION), np.float32), np.zeros((1, 1), np.float32)
    wide, column = np.zeros((1, DIMENSION), np.float32), np.zeros(1, np.float32)
    joint_draws(wide.reshape(DIMENSION, 1), np.zeros(1), np.zeros(1), root, 1.0, wide, single)
    balance = Balance(rows, ~usable, np.ones(2, np.int64), 0.0, column, column)
    draw_down_draws(single, np.zeros(1), usable, 0.0, np.zeros((2, 1)), rows, balance)
    draw_down_scores(np.zeros(1), np.zeros(1), 1.0, usable, 0.0, np.zeros((2, 1)), rows, balance)
    liken(column, 0, balance)
    boosts_of(wide.reshape(DIMENSION, 1), np.zeros(3))
    round_as_half(np.zeros(2 * DIMENSION, np.float32))


def _warm_slate() -> None:
    """The one call, of no candidates and no items; zeros do for all that it reads."""
    zeros, out = np.zeros(DIMENSION), np.zeros(slate_bytes(0), np.uint8)
    fixed, asked = np.zeros(1, FIXED), np.zeros(1, ASKED)
    for name in FIXED.fields or ():
        fixed[name] = 0 if name in NO_ARRAYS else zeros.ctypes.data
    fixed["out"] = out.ctypes.data
    for name in ("moment", "regional", "local_rows", "local", "uniforms", "normals"):
        asked[name] = zeros.ctypes.data
    thompson_slate(fixed.ctypes.data, asked.ctypes.data)
