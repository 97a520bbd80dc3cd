"""Click-through by arm in windows of time, the share of the way from uniform to best, and their intervals."""

from collections.abc import Sequence

import msgspec
import numpy as np

from cli.simulate.results import Ratio, Results
from cli.simulate.shop import Shop, draw_shopper
from cli.simulate.visit import ITEMS_SEEN

ARMS = ("heliotrope", "popularity", "uniform", "best")
Z_95 = 1.96
RESAMPLES = 4_000
SHOPPERS = 10_000
"""How many are drawn for the best list that is the same for everybody."""


class Window(msgspec.Struct, frozen=True):
    """The visits that ended in a stretch of a run, in seconds from its start, as sums by arm."""

    start_s: float
    end_s: float
    arms: dict[str, Ratio]


class Interval(msgspec.Struct, frozen=True):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class Windows:
    """Cuts a simulation's running sums into windows."""

    def __init__(self) -> None:
        self.closed: list[Window] = []
        self._sums = {name: Ratio() for name in ARMS}
        self._since_s = 0.0

    def close(self, results: Results, now_s: float) -> None:
        """Ends the window that is open; a last one of no length is added to the one before."""
        sums = {name: msgspec.structs.replace(getattr(results, name)) for name in ARMS}
        found = {name: _difference(sums[name], self._sums[name]) for name in ARMS}
        last = self.closed[-1] if self.closed else None
        if last and now_s - self._since_s < (last.end_s - last.start_s) / 2:
            self.closed[-1] = pooled([last, Window(last.start_s, now_s, found)])
        else:
            self.closed.append(Window(self._since_s, now_s, found))
        self._sums, self._since_s = sums, now_s


def pooled(windows: Sequence[Window]) -> Window:
    """Several windows, of one run or of several, as one.

    Raises:
        ValueError: there are none.
    """
    arms = {name: _sum([window.arms[name] for window in windows]) for name in ARMS}
    return Window(min(window.start_s for window in windows), max(window.end_s for window in windows), arms)


def side_by_side(runs: Sequence[Sequence[Window]], of: int) -> list[Window]:
    """The windows of equally long runs pooled over the runs, each `of` neighbours made one; what one run lacks is left out."""
    together = [pooled(windows) for windows in zip(*runs, strict=False)]
    return [pooled(together[start : start + of]) for start in range(0, len(together), of)]


def click_through(ratio: Ratio) -> Interval:
    """Clicks per item seen, normal interval with the linearised error of a ratio over visits (Cochran 1977, ch. 6)."""
    spread = Z_95 * ratio.standard_error
    return Interval(ratio.value, ratio.value - spread, ratio.value + spread)


def share(arm: Ratio, uniform: Ratio, best: Ratio) -> Interval:
    """(arm - uniform)/(best - uniform), with a parametric bootstrap interval (Efron and Tibshirani 1993, 6.5).

    Each click-through is drawn anew from the normal distribution with its standard error. The interval says how well the share
    of these visits is known; how much runs differ in what they learned, it does not know.

    Raises:
        ValueError: an arm has fewer than two visits.
    """
    ratios = (arm, uniform, best)
    if min(ratio.visits for ratio in ratios) < 2:
        raise ValueError("a share needs at least two visits of each arm")
    rng = np.random.default_rng(0)
    ours, chance, most = (rng.normal(ratio.value, ratio.standard_error, RESAMPLES) for ratio in ratios)
    low, high = np.quantile((ours - chance) / (most - chance), [0.025, 0.975])
    value = (arm.value - uniform.value) / (best.value - uniform.value)
    return Interval(value, float(low), float(high))


def best_for_everybody(shop: Shop) -> float:
    """Expected click-through of the best list that is the same for all shoppers: what no popularity list can exceed for long."""
    rng = np.random.default_rng(0)
    mean = np.mean([shop.click_probabilities(draw_shopper(shop, rng)) for _ in range(SHOPPERS)], axis=0)
    return float(np.sort(mean)[-ITEMS_SEEN:].mean())


def _difference(now: Ratio, before: Ratio) -> Ratio:
    return Ratio(*(a - b for a, b in zip(msgspec.structs.astuple(now), msgspec.structs.astuple(before), strict=True)))


def _sum(ratios: Sequence[Ratio]) -> Ratio:
    return Ratio(*(sum(column) for column in zip(*map(msgspec.structs.astuple, ratios), strict=True)))
