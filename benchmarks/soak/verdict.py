"""Whether a series grows: the slope of the run's last half with its confidence, against a bound that was set before the run."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCKS = 30
"""The last half is taken as so many means: samples that follow each other are alike, means of a minute hardly are."""
LONG_BLOCKS = 10
"""For what rises and falls in turns: long enough, in an hour's run, that each has a collection or a whole writing of the state."""
COLLECTED = ("heap_mb", "python_blocks")
IN_TURNS = ("checkpoint_mb", "disk_mb", *COLLECTED)
BOUNDS: dict[str, tuple[float, float]] = {
    "rss_mb": (5.0, 10.0),
    "heap_mb": (10.0, 30.0),
    "python_blocks": (5.0, 50_000.0),
    "checkpoint_mb": (10.0, 5.0),
    "checkpoint_ms": (30.0, 200.0),
    "redis_mb": (5.0, 2.0),
    "redis_keys": (5.0, 200.0),
    "files": (5.0, 10.0),
    "threads": (5.0, 5.0),
    "disk_mb all else": (30.0, 100.0),
    "latency_p50_ms": (30.0, 5.0),
    "latency_p99_ms": (50.0, 50.0),
}
"""By the beginning of a series' name what it may grow in an hour: so many percent of its mean, or of its units if that is more.
The second is for what is small, where one file more would be a large share."""


class Verdict(NamedTuple):
    """Growth per hour over the last half, with the half-width of its 95 % interval, and what was allowed."""

    mean: float
    per_hour: float
    plus_minus: float
    allowed: float

    @property
    def word(self) -> str:
        """`flat` where even the upper end is allowed, `grows` where the lower end is not, else `unclear`."""
        if self.per_hour + self.plus_minus <= self.allowed:
            return "flat"
        return "grows" if self.per_hour - self.plus_minus > self.allowed else "unclear"


def bound_of(name: str) -> tuple[float, float] | None:
    """The bound of a series; None for what is only shown."""
    return next((bound for start, bound in BOUNDS.items() if name.startswith(start)), None)


def judge(name: str, seconds: Sequence[float], values: Sequence[float]) -> Verdict | None:
    """The verdict; None for a series without a bound or with too little to judge by.

    What is collected now and then, as a heap is, is judged by the least of each block: what is left after a collection.
    """
    bound = bound_of(name)
    at, found = np.asarray(seconds, dtype=float), np.asarray(values, dtype=float)
    late = at >= (at[0] + at[-1]) / 2 if len(at) else at > 0
    if bound is None or late.sum() < 2 * BLOCKS / 3:
        return None
    of = np.min if name.startswith(COLLECTED) else np.mean
    most = LONG_BLOCKS if name.startswith(IN_TURNS) else BLOCKS
    blocks = np.array_split(np.flatnonzero(late), min(most, int(late.sum()) // 2))
    x = np.array([at[block].mean() / 3_600 for block in blocks])
    y = np.array([float(of(found[block])) for block in blocks])
    slope, error = _slope(x, y)
    mean, student = float(y.mean()), 1.96 + 2.8 / (len(y) - 2)  # Student's t for 95 %, to a hundredth
    return Verdict(mean, slope, student * error, max(bound[0] / 100 * mean, bound[1]))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Of the least squares' line, and its standard error."""
    away = x - x.mean()
    spread = float((away**2).sum())
    slope = float((away * y).sum()) / spread
    rest = y - y.mean() - slope * away
    return slope, float(np.sqrt((rest**2).sum() / (len(x) - 2) / spread))
