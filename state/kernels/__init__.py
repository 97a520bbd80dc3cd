"""The inner loops of a choice, compiled to machine code.

Plain loops over arrays. They keep the interpreter lock: each takes some microseconds, and to give it up for that long means to wait
for it behind whoever takes it meanwhile. `columns.py` names what stands where.
"""

from state.kernels.balancing import Balance, boosts_of, liken
from state.kernels.describing import NO_AFFINITY, Known, Scratch, describe
from state.kernels.drawing import joint_draws
from state.kernels.gathering import MARK_STEPS, gather
from state.kernels.halves import round_as_half
from state.kernels.items import SMALLEST_ENGAGEMENT, write_items
from state.kernels.packing import NAME_BYTES, UNNAMED
from state.kernels.slots import draw_down_draws, draw_down_scores
from state.kernels.thompson_slate import slate_bytes, thompson_slate
from state.kernels.warming import Warming, warm, warm_learning

__all__ = [
    "MARK_STEPS",
    "NAME_BYTES",
    "NO_AFFINITY",
    "SMALLEST_ENGAGEMENT",
    "UNNAMED",
    "Balance",
    "Known",
    "Scratch",
    "Warming",
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
