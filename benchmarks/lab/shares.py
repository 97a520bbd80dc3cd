"""Runs and their figures: the share of the way from chance to the best, regret over time, intervals over paired seeds."""

import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.methods import make_method
from benchmarks.lab.spec import shop
from benchmarks.lab.world import World

CURVE_POINTS = 40
RESAMPLES = 2_000
VALUE, BEST, UNIFORM = 1, 2, 3


class Run(msgspec.Struct, frozen=True):
    """One method in one shop with one seed.

    `share` is (Σ value - Σ uniform)/(Σ best - Σ uniform) over all pages, `late_share` over the second half of them. `regret` is
    Σ (best - value), expected clicks lost, at CURVE_POINTS evenly spaced pages; `seconds` CPU time, the shop's own included.
    """

    shop: str
    method: str
    seed: int
    visitors: int
    pages: int
    share: float
    late_share: float
    regret: list[float]
    seconds: float


def run_once(
    shop_name: str, method: str, seed: int, visitors: int | None = None, overrides: dict[str, Any] | None = None
) -> Run:
    """Runs a method through a shop."""
    started = time.process_time()
    spec = shop(shop_name, seed, visitors)
    world = World(spec, seed)
    pages = world.run(make_method(method, world, seed, overrides))
    regret = (pages[:, BEST] - pages[:, VALUE]).cumsum()
    marks = np.linspace(0, len(pages) - 1, CURVE_POINTS).astype(int)
    return Run(
        shop_name,
        method,
        seed,
        spec.visitors,
        len(pages),
        share(pages),
        share(pages[len(pages) // 2 :]),
        regret[marks].round(3).tolist(),
        round(time.process_time() - started, 2),
    )


def share(pages: NDArray[np.float64]) -> float:
    """The share of the way from uniform choice to the best slates over these pages."""
    value, best, uniform = pages[:, VALUE].sum(), pages[:, BEST].sum(), pages[:, UNIFORM].sum()
    return float((value - uniform) / (best - uniform))


class Interval(msgspec.Struct, frozen=True):
    """A mean over seeds with its 95 % interval, by bootstrap over the seeds."""

    mean: float
    low: float
    high: float


def interval(values: list[float]) -> Interval:
    """Percentile bootstrap (Efron 1979) of the mean; of one value the interval is the value."""
    numbers = np.array(values)
    rng = np.random.default_rng(0)
    means = numbers[rng.integers(len(numbers), size=(RESAMPLES, len(numbers)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(round(float(numbers.mean()), 4), round(float(low), 4), round(float(high), 4))


def by_method(runs: list[Run], shop_name: str) -> dict[str, list[Run]]:
    """A shop's runs by method, each by seed."""
    grouped: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: run.seed):
        if run.shop == shop_name:
            grouped.setdefault(run.method, []).append(run)
    return grouped


def difference(ours: list[Run], theirs: list[Run]) -> Interval:
    """Mean share of the one less the other's, paired: the same seeds, so the same visitors and luck."""
    shares = {run.seed: run.share for run in theirs}
    return interval([run.share - shares[run.seed] for run in ours if run.seed in shares])
