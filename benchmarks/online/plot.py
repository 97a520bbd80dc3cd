"""The plot of some runs: click-through by arm as time goes by, and the share of the way from uniform to best."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")  # no display

from matplotlib import pyplot as plt

from benchmarks.online.report import LEARNERS
from benchmarks.online.run import Run
from benchmarks.online.windows import Interval, Window, click_through, pooled, share, side_by_side

COLOURS = {"best": "C0", "heliotrope": "C2", "popularity": "C4", "uniform": "C1"}
NAMES = {
    "best": "best possible (expected)",
    "heliotrope": "Heliotrope",
    "popularity": "popularity only",
    "uniform": "uniformly random",
}
SAME_FOR_ALL = "best list that is the same for all (expected)"
SHARE_WINDOWS = 3
STEADY = {"svg.hashsalt": "online", "svg.fonttype": "none"}  # small, and the same file for the same runs


def plot(runs: Sequence[Run], everybody: float, path: Path) -> None:
    """Writes an SVG; bands and bars are 95 % intervals over all runs, thin lines single runs.

    Args:
        everybody: expected click-through of the best list that is the same for all.
    """
    with plt.rc_context(STEADY):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
        _click_through(left, side_by_side([run.windows for run in runs], 1), everybody)
        _shares(right, runs, everybody)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)


def _click_through(axes: Any, windows: Sequence[Window], everybody: float) -> None:
    for arm, colour in COLOURS.items():
        found = [click_through(window.arms[arm]) for window in windows]
        _band(axes, windows, found, colour, NAMES[arm])
    axes.axhline(100 * everybody, color="grey", linestyle=":", label=SAME_FOR_ALL)
    axes.set(xlabel="seconds from the first shopper", ylabel="clicks per item seen, %", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small", loc="center right", bbox_to_anchor=(1, 0.43))


def _shares(axes: Any, runs: Sequence[Run], everybody: float) -> None:
    everything = pooled([window for run in runs for window in run.windows])
    uniform, best = everything.arms["uniform"], everything.arms["best"]
    for arm in LEARNERS:
        windows = side_by_side([run.windows for run in runs], SHARE_WINDOWS)
        _band(axes, windows, [share(window.arms[arm], uniform, best) for window in windows], COLOURS[arm], NAMES[arm])
        for run in runs:
            own = side_by_side([run.windows], SHARE_WINDOWS)
            values = [100 * share(window.arms[arm], uniform, best).value for window in own]
            axes.plot([_middle(window) for window in own], values, color=COLOURS[arm], linewidth=0.6, alpha=0.6)
    axes.set(xlabel="seconds from the first shopper", ylabel="of the way from uniform to best, %")
    same_for_all = (everybody - uniform.value) / (best.value - uniform.value)
    axes.axhline(100 * same_for_all, color="grey", linestyle=":", label=SAME_FOR_ALL)
    axes.axhline(0, color="grey", linewidth=0.5)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")


def _band(axes: Any, windows: Sequence[Window], found: Sequence[Interval], colour: str, name: str) -> None:
    middles = [_middle(window) for window in windows]
    axes.plot(middles, [100 * one.value for one in found], color=colour, label=name)
    lows, highs = [100 * one.low for one in found], [100 * one.high for one in found]
    axes.fill_between(middles, lows, highs, color=colour, alpha=0.2, linewidth=0)


def _middle(window: Window) -> float:
    return (window.start_s + window.end_s) / 2
