"""Runs and their figures: the share of the way from chance to the best, regret over time, intervals over paired seeds."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.method import Method
from benchmarks.lab.methods import make_method
from benchmarks.lab.spec import Spec, shop
from benchmarks.lab.world import World

CURVE_POINTS = 40
RESAMPLES = 2_000
VALUE, BEST, UNIFORM, NUMBER = 1, 2, 3, 4
LAST_NUMBER = 7
"""Pages from this number on, counted from 1, are reported together."""


class Run(msgspec.Struct, frozen=True):
    """One method in one shop with one seed.

    `share` is (Σ value - Σ uniform)/(Σ best - Σ uniform) over all pages, `late_share` over the second half of them. `regret` is
    Σ (best - value), expected clicks lost, at CURVE_POINTS evenly spaced pages; `seconds` CPU time, the shop's own included.
    `by_number` has Σ (value - uniform) and Σ (best - uniform) of the visits' first pages, of their second, up to LAST_NUMBER.
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
    by_number: list[tuple[float, float]] = []


def run_once(
    shop_name: str, method: str, seed: int, visitors: int | None = None, overrides: dict[str, Any] | None = None
) -> Run:
    """Runs a method through a shop."""
    return run_in(
        shop(shop_name, seed, visitors), seed, method, lambda world: make_method(method, world, seed, overrides)
    )


def run_in(spec: Spec, seed: int, name: str, make: Callable[[World], Method]) -> Run:
    """Runs what `make` makes through this shop, under that name."""
    started = time.process_time()
    world = World(spec, seed)
    pages = world.run(make(world))
    regret = (pages[:, BEST] - pages[:, VALUE]).cumsum()
    marks = np.linspace(0, len(pages) - 1, CURVE_POINTS).astype(int)
    return Run(
        spec.name,
        name,
        seed,
        spec.visitors,
        len(pages),
        share(pages),
        share(pages[len(pages) // 2 :]),
        regret[marks].round(3).tolist(),
        round(time.process_time() - started, 2),
        by_number(pages),
    )


def share(pages: NDArray[np.float64]) -> float:
    """The share of the way from uniform choice to the best slates over these pages."""
    value, best, uniform = pages[:, VALUE].sum(), pages[:, BEST].sum(), pages[:, UNIFORM].sum()
    return float((value - uniform) / (best - uniform))


def by_number(pages: NDArray[np.float64]) -> list[tuple[float, float]]:
    """What was gained over uniform choice and what the best slates gain, by the pages' number in their visits."""
    numbers = np.minimum(pages[:, NUMBER].astype(np.int64), LAST_NUMBER - 1)
    gained = np.bincount(numbers, pages[:, VALUE] - pages[:, UNIFORM], LAST_NUMBER)
    best = np.bincount(numbers, pages[:, BEST] - pages[:, UNIFORM], LAST_NUMBER)
    return list(zip(gained.round(4).tolist(), best.round(4).tolist(), strict=True))


def shares_by_number(runs: list[Run]) -> list[float | None]:
    """The share by the page's number over all these runs; None if there was no such page."""
    sums = np.array([run.by_number for run in runs if run.by_number]).reshape(-1, LAST_NUMBER, 2).sum(axis=0)
    return [round(gained / best, 4) if best else None for gained, best in sums.tolist()]


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


def of_attainable(runs: list[Run], attainable: list[Run]) -> Interval | None:
    """Mean of the share over what was attainable with the same seed; None if no seed has both."""
    shares = {run.seed: run.share for run in attainable}
    ratios = [run.share / shares[run.seed] for run in runs if run.seed in shares]
    return interval(ratios) if ratios else None
