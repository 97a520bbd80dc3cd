"""The figures of some runs: by minute and over all, as plain values and as a table."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.table import Table

from benchmarks.online.run import WINDOW_S, Run
from benchmarks.online.windows import ARMS, Interval, Window, click_through, pooled, share, side_by_side

LEARNERS = ("heliotrope", "popularity")
MINUTE = round(60 / WINDOW_S)
"""Windows in it."""


def figures(runs: Sequence[Run]) -> dict[str, Any]:
    """Click-through and shares over all runs together: `all`, `minutes`, and `seeds` for each run by itself.

    Uniform lists do not learn and the best ones know all: in a minute's share these two are those of all minutes.
    """
    windows = [run.windows for run in runs]
    everything = pooled([window for run in windows for window in run])
    minutes = [_figures(window, everything) for window in side_by_side(windows, MINUTE)]
    seeds = {str(run.seed): _figures(whole, whole) for run in runs for whole in (pooled(run.windows),)}
    return {"all": _figures(everything, everything), "minutes": minutes, "seeds": seeds}


def table(found: dict[str, Any]) -> Table:
    """The figures for a person, in percent."""
    result = Table("seconds", *ARMS, *(f"{name}: of the way" for name in LEARNERS))
    rows = [*found["minutes"], found["all"], *found["seeds"].values()]
    names = [*(f"{row['start_s']:.0f} to {row['end_s']:.0f}" for row in found["minutes"]), "all"]
    for name, row in zip([*names, *(f"seed {seed}" for seed in found["seeds"])], rows, strict=True):
        cells = [_cell(row["click_through"][arm], 1) for arm in ARMS] + [
            _cell(row["share"][arm], 0) for arm in LEARNERS
        ]
        result.add_row(name, *cells)
    return result


def _figures(window: Window, reference: Window) -> dict[str, Any]:
    uniform, best = reference.arms["uniform"], reference.arms["best"]
    return {
        "start_s": round(window.start_s, 1),
        "end_s": round(window.end_s, 1),
        "click_through": {arm: _plain(click_through(window.arms[arm])) for arm in ARMS},
        "items_seen": {arm: window.arms[arm].x for arm in ARMS},
        "share": {arm: _plain(share(window.arms[arm], uniform, best)) for arm in LEARNERS},
    }


def _plain(interval: Interval) -> dict[str, float]:
    return {name: round(value, 5) for name, value in msgspec.structs.asdict(interval).items()}


def _cell(interval: dict[str, float], decimals: int) -> str:
    value, low, high = (f"{100 * interval[name]:.{decimals}f}" for name in ("value", "low", "high"))
    return f"{value} % [{low}, {high}]"
