"""Click to Redis at each rate."""

from typing import Any

from benchmarks.latency import measure, start_job
from benchmarks.preload import load_catalogue
from benchmarks.sections import Bench
from benchmarks.summary import Figures, Row

QUANTILES = ("p50", "p95", "p99", "p999")
TASK_MANAGERS = 1
"""Two share the two cores with all else: a little more throughput, and seconds of latency where one takes milliseconds."""


def run(bench: Bench) -> Figures:
    """One rate after the other, the slowest first, on one job; on a new one after a rate that it could not keep up with."""
    plan, stack = bench.plan, bench.stack
    load_catalogue(stack)
    rates = {f"latency_{rate}_ms": rate for rate in plan.rates}
    limit = plan.share_of_limit * bench.values.get("events_per_second_of_one", 0.0)
    if limit >= 1:
        rates[f"latency_{round(100 * plan.share_of_limit)}_percent_ms"] = int(limit)
    runs: dict[str, Any] = {}
    keeps_up, topic = False, ""
    for number, (name, rate) in enumerate(sorted(rates.items(), key=lambda item: item[1])):
        if not keeps_up:
            topic = f"latency-{number}"
            stack.stop_job()
            stack.forget_profiles()
            start_job(stack, topic, TASK_MANAGERS)
        seconds = plan.long_s if rate == plan.long_rate else plan.latency_s
        runs[name] = measure(stack, topic, rate, seconds, plan.warm_up_s, seed=1_000 + number)
        keeps_up = not runs[name]["missing"]
        bench.say(
            f"{rate:,} events/s: {', '.join(f'{q} {runs[name][q]:,.1f} ms' for q in QUANTILES)}, {_beside(runs[name])}"
        )
    stack.stop_job()
    return figures(runs, TASK_MANAGERS)


def figures(runs: dict[str, Any], task_managers: int) -> Figures:
    """The percentiles of each rate; a rate is one run, so that the table has no spread but the run's own."""
    values = {name: {quantile: found[quantile] for quantile in QUANTILES} for name, found in runs.items()}
    rows = [
        Row(
            f"click to Redis at {found['rate']:,} events/s, {quantile}, ms",
            found[quantile],
            found[quantile],
            found[quantile],
            1,
        )
        for found in runs.values()
        for quantile in QUANTILES
    ]
    return Figures({**values, "latency_task_managers": task_managers}, rows, runs)


def _beside(run: dict[str, Any]) -> str:
    shares = run["sender"]["cpu_share_of_a_core"], run["listener"]["cpu_share_of_a_core"]
    return f"{run['missing']} missing, sender {shares[0]:.1%} and listener {shares[1]:.1%} of a core"
