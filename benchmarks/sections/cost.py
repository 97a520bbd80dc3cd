"""CPU of one event by stage, and what a session takes."""

from benchmarks.cores import cores
from benchmarks.sections import Bench
from benchmarks.stages import sizes, stage_costs
from benchmarks.summary import Figures, row

MOST_ROUNDS = 3
"""Of both cores in turns."""


def run(bench: Bench) -> Figures:
    """In this process, without the stack."""
    costs = [stage_costs(bench.plan.stage_events, seed) for seed in range(bench.plan.rounds)]
    taken = sizes(bench.plan.sized_sessions)
    stages = sorted(costs[0], key=lambda name: -costs[0][name])
    rows = [row(f"{name}, CPU µs per event", [cost.get(name, 0.0) for cost in costs], 1) for name in stages]
    rows.append(row("all stages, CPU µs per event", [sum(cost.values()) for cost in costs], 1))
    rows += [row(f"{name} of a session of 50 events, bytes, p95", [size], 0) for name, size in taken.items()]
    compared = cores(bench.plan.stage_events // 2, min(bench.plan.rounds, MOST_ROUNDS))
    rows += [
        row(f"{traffic}, {way}, CPU µs per event", [us], 1)
        for traffic, of in compared.items()
        for way, us in of["us"].items()
    ]
    values = {
        "cpu_us_by_stage": {name: row("", [cost.get(name, 0.0) for cost in costs], 1).median for name in stages},
        "state_bytes_p95": taken["state"],
        "exposures_bytes_p95": taken["exposures"],
        "profile_bytes_p95": taken["profile"],
        "core_times_the_python_core": {traffic: of["times"] for traffic, of in compared.items()},
    }
    return Figures(values, rows, {"stages": costs, "sizes": taken, "cores": compared})
