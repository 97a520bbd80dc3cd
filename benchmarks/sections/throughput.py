"""The whole job, the engine's floor and the plain loop on the same events."""

from typing import Any

from benchmarks.sections import TASK_MANAGERS, Bench
from benchmarks.summary import Figures, Row, column, ratios, row
from benchmarks.throughput import run_floor, run_job, run_plain

Runs = dict[str, list[dict[str, Any]]]


def run(bench: Bench) -> Figures:
    """All three in turn, with each number of TaskManagers; in a single round the floor only with the number that the job was faster
    with."""
    runs: Runs = {"plain": [], **{f"{what}_{n}": [] for what in ("job", "floor") for n in TASK_MANAGERS}}
    load = bench.load()
    if bench.plan.compiling:
        run_job(bench.stack, load._replace(lead=bench.plan.compiling, longest_s=1.0), max(TASK_MANAGERS))
    for number in range(bench.plan.rounds):
        for n in TASK_MANAGERS:
            runs[f"job_{n}"].append(run_job(bench.stack, load, n))
        for n in TASK_MANAGERS if bench.plan.rounds > 1 else (fastest(runs),):
            runs[f"floor_{n}"].append(run_floor(bench.stack, load, n))
        runs["plain"].append(run_plain(bench.stack, load, bench.plan.plain_events))
        last = ", ".join(f"{name} {found[-1]['events_per_second']:,.0f}" for name, found in runs.items() if found)
        bench.say(f"round {number + 1} of {bench.plan.rounds}, events/s: {last}")
    return figures(runs)


def fastest(runs: Runs) -> int:
    """The number of TaskManagers with which the job's median is better."""
    return max(TASK_MANAGERS, key=lambda n: row("", column(runs[f"job_{n}"], "events_per_second")).median)


def figures(runs: Runs) -> Figures:
    """Ratios are of runs of the same round; the number of TaskManagers with the better median counts, all are reported."""
    rates = {name: column(found, "events_per_second") for name, found in runs.items() if found}
    per_cpu = {n: column(runs[f"job_{n}"], "events_per_cpu_second") for n in TASK_MANAGERS}
    rows = [row(f"{name}, events/s", values) for name, values in rates.items()]
    compared: dict[str, Row] = {}
    for n in TASK_MANAGERS:
        job = rates[f"job_{n}"]
        compared[f"plain_{n}"] = row(f"job_{n} / plain", ratios(job, rates["plain"]), 2)
        if f"floor_{n}" in rates:
            compared[f"floor_{n}"] = row(f"job_{n} / floor_{n}", ratios(job, rates[f"floor_{n}"]), 3)
        compared[f"slates_{n}"] = row(f"job_{n}, slates per event", column(runs[f"job_{n}"], "slates_per_event"), 3)
        compared[f"cpu_{n}"] = row(f"job_{n}, events per CPU-second of the stack", per_cpu[n])
    efficiency = row("events per CPU-second, job_2 / job_1", ratios(per_cpu[2], per_cpu[1]), 3)
    best = fastest(runs)
    values = {
        "task_managers": best,
        "events_per_second": row("", rates[f"job_{best}"]).median,
        "events_per_second_of_one": row("", rates["job_1"]).median,
        "throughput_vs_plain_loop": compared[f"plain_{best}"].median,
        "throughput_vs_floor": compared[f"floor_{best}"].median,
        "slates_per_event": compared[f"slates_{best}"].median,
        "cpu_efficiency_2_task_managers": efficiency.median,
    }
    return Figures(values, [*rows, *compared.values(), efficiency], runs)
