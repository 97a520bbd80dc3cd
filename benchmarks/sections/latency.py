"""Click to Redis at each rate."""

from typing import Any

from benchmarks.latency import measure, start_job
from benchmarks.plan import Plan
from benchmarks.preload import load_catalogue
from benchmarks.sections import Bench
from benchmarks.summary import Figures, Row

QUANTILES = ("p50", "p95", "p99", "p999")
TASK_MANAGERS = 1
"""Two share the two cores with all else: a little more throughput, and seconds of latency where one takes milliseconds."""


def run(bench: Bench) -> Figures:
    """One rate after the other, the slowest first, on one job; on a new one after a rate that it could not keep up with, and for
    sessions that last, which are then all that it holds."""
    plan, stack = bench.plan, bench.stack
    load_catalogue(stack)
    limit = plan.share_of_limit * bench.values.get("events_per_second_of_one", 0.0)
    runs: dict[str, Any] = {}
    keeps_up, topic = False, ""
    for number, (name, rate, seconds, lasting) in enumerate(_loads(plan, limit)):
        if lasting or not keeps_up:
            topic = f"latency-{number}"
            stack.stop_job()
            stack.forget_profiles()
            start_job(stack, topic, TASK_MANAGERS)
        runs[name] = measure(stack, topic, rate, seconds, plan.warm_up_s, 1_000 + number, lasting=lasting)
        keeps_up = not runs[name]["missing"]
        bench.say(
            f"{_named(runs[name])}: {', '.join(f'{q} {runs[name][q]:,.1f} ms' for q in QUANTILES)}, {_beside(runs[name])}"
        )
    stack.stop_job()
    return figures(runs, TASK_MANAGERS)


def figures(runs: dict[str, Any], task_managers: int) -> Figures:
    """The percentiles of each rate; a rate is one run, so that the table has no spread but the run's own."""
    values = {name: {quantile: found[quantile] for quantile in QUANTILES} for name, found in runs.items()}
    rows = [
        Row(
            f"click to Redis at {_named(found)}, {quantile}, ms",
            found[quantile],
            found[quantile],
            found[quantile],
            1,
        )
        for found in runs.values()
        for quantile in QUANTILES
    ]
    return Figures({**values, "latency_task_managers": task_managers}, rows, runs)


def _loads(plan: Plan, limit: float) -> list[tuple[str, int, float, bool]]:
    """Name, rate, seconds, and whether sessions last; the slowest first."""
    loads = [
        (f"latency_{rate}_ms", rate, plan.long_s if rate == plan.long_rate else plan.latency_s, False)
        for rate in plan.rates
    ]
    if limit >= 1:
        loads.append((f"latency_{round(100 * plan.share_of_limit)}_percent_ms", int(limit), plan.latency_s, False))
    if plan.lasting_rate:
        name = f"latency_{plan.lasting_rate}_lasting_sessions_ms"
        loads.append((name, plan.lasting_rate, plan.lasting_s, True))
    return sorted(loads, key=lambda load: (load[1], load[3]))


def _named(run: dict[str, Any]) -> str:
    return f"{run['rate']:,} events/s{' of lasting sessions' if run['lasting_sessions'] else ''}"


def _beside(run: dict[str, Any]) -> str:
    shares = run["sender"]["cpu_share_of_a_core"], run["listener"]["cpu_share_of_a_core"]
    return f"{run['missing']} missing, sender {shares[0]:.1%} and listener {shares[1]:.1%} of a core"
