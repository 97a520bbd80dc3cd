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
    """The figures for a person, in percent with 95 % intervals; the last columns are shares of the way from uniform to best."""
    result = Table("seconds", *ARMS, *(f"way, {name}" for name in LEARNERS), box=None, padding=(0, 1))
    named = [(f"{row['start_s']:.0f} to {row['end_s']:.0f}", row) for row in found["minutes"]]
    named += [("all", found["all"]), *((f"seed {seed}", row) for seed, row in found["seeds"].items())]
    for name, row in named:
        rates = (_rate(row["click_through"][arm]) for arm in ARMS)
        result.add_row(name, *rates, *(_way(row["share"][arm]) for arm in LEARNERS))
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


def _rate(interval: dict[str, float]) -> str:
    return f"{100 * interval['value']:.1f} ± {100 * (interval['high'] - interval['value']):.1f}"


def _way(interval: dict[str, float]) -> str:
    value, low, high = (round(100 * interval[name]) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"
