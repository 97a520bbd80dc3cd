"""One run: a job that has learned nothing, shoppers in three arms."""

import os
from typing import NamedTuple

import msgspec

from benchmarks.online.windows import Window, Windows
from benchmarks.stack import Stack
from cli.endpoints import Endpoints
from cli.options import Target
from cli.simulate.results import quantile
from cli.simulate.runner import Plan
from cli.simulate.session import demo_catalogue, open_runner

WINDOW_S = 10.0
CONTROL_SHARE = 0.2
POPULARITY_SHARE = 0.4
"""As many as see Heliotrope's lists: both learn from equally many sessions of their own."""


class Load(NamedTuple):
    """How many shoppers come, and for how long."""

    sessions_per_second: float
    duration_s: float


class Run(msgspec.Struct, frozen=True):
    """What a run came to.

    `waits_ms` is p50 and p99 of the wait for a profile, `load_average` that of one minute, before the shoppers and at their end.
    """

    seed: int
    load: Load
    windows: list[Window]
    sessions: int
    events: int
    missing_profiles: int
    empty_lists: int
    waits_ms: dict[str, float | None]
    load_average: tuple[float, float]
    policy: str


def run_once(stack: Stack, seed: int, load: Load) -> Run:
    """Starts a job on a stack on which no shoppers have been, and runs them."""
    stack.start_job()
    before = os.getloadavg()[0]
    target = Target(stack.settings, Endpoints(stack.kafka, stack.redis, stack.flink))
    plan = Plan(load.sessions_per_second, CONTROL_SHARE, seed, load.duration_s, POPULARITY_SHARE)
    windows = Windows()
    with open_runner(target, plan, demo_catalogue(), load=True) as (runner, _):
        for _ in runner.run(WINDOW_S):
            windows.close(runner.results, runner.elapsed_s)
        windows.close(runner.results, runner.elapsed_s)
    results, waits = runner.results, list(runner.waits_ms)
    return Run(
        seed=seed,
        load=load,
        windows=windows.closed,
        sessions=results.visits,
        events=results.events,
        missing_profiles=results.missing_profiles,
        empty_lists=results.empty_lists,
        waits_ms={"p50": quantile(waits, 0.5), "p99": quantile(waits, 0.99)},
        load_average=(before, os.getloadavg()[0]),
        policy=stack.settings.bandit.policy,
    )
