"""What is measured one after the other, and what is made of it."""

from collections.abc import Callable
from typing import Any

from benchmarks.plan import Plan
from benchmarks.stack import benchmark_stack
from benchmarks.summary import Figures, row
from benchmarks.throughput import TOPIC, Load, prepare, run_floor, run_job, run_plain

TASK_MANAGERS = (1, 2)
Runs = dict[str, list[dict[str, Any]]]
Say = Callable[[str], None]


def throughput(plan: Plan, say: Say) -> Figures:
    """The whole job, the floor and the plain loop on the same topic, in turn."""
    runs: Runs = {"plain": [], **{f"{what}_{n}": [] for what in ("job", "floor") for n in TASK_MANAGERS}}
    load = Load(TOPIC, plan.events, plan.lead, plan.longest_s)
    with benchmark_stack(max(TASK_MANAGERS)) as stack:
        say("the stack runs")
        sessions = prepare(stack, load)
        say(f"preloaded {plan.events:,} events of {sessions:,} sessions")
        for number in range(plan.rounds):
            for parallelism in TASK_MANAGERS:
                runs[f"job_{parallelism}"].append(run_job(stack, load, parallelism))
                runs[f"floor_{parallelism}"].append(run_floor(stack, load, parallelism))
            runs["plain"].append(run_plain(stack, load, plan.plain_events))
            last = ", ".join(f"{name} {found[-1]['events_per_second']:,.0f}" for name, found in runs.items())
            say(f"round {number + 1} of {plan.rounds}, events/s: {last}")
    return throughput_figures(runs)


def throughput_figures(runs: Runs) -> Figures:
    """Ratios are of runs of the same round; the number of TaskManagers with the better median counts, both are reported."""
    rates = {name: [run["events_per_second"] for run in found] for name, found in runs.items()}
    rows = [row(f"{name}, events/s", values) for name, values in rates.items()]
    ratios = {}
    for n in TASK_MANAGERS:
        job = rates[f"job_{n}"]
        by_plain = row(f"job_{n} / plain", _ratio(job, rates["plain"]), 2)
        by_floor = row(f"job_{n} / floor_{n}", _ratio(job, rates[f"floor_{n}"]), 3)
        slates = row(f"job_{n}, profiles published per event", _column(runs[f"job_{n}"], "profiles_per_event"), 3)
        rows += [by_plain, by_floor, slates]
        ratios[n] = (by_plain, by_floor, slates)
    per_cpu = {n: _column(runs[f"job_{n}"], "events_per_cpu_second") for n in TASK_MANAGERS}
    rows += [row(f"job_{n}, events per CPU-second of the stack", per_cpu[n]) for n in TASK_MANAGERS]
    efficiency = row("events per CPU-second, job_2 / job_1", _ratio(per_cpu[2], per_cpu[1]), 3)
    best = max(TASK_MANAGERS, key=lambda n: row("", rates[f"job_{n}"]).median)
    by_plain, by_floor, slates = ratios[best]
    values = {
        "events_per_second": row("", rates[f"job_{best}"]).median,
        "task_managers": best,
        "throughput_vs_plain_loop": by_plain.median,
        "throughput_vs_floor": by_floor.median,
        "slates_per_event": slates.median,
        "cpu_efficiency_2_task_managers": efficiency.median,
    }
    return Figures(values, [*rows, efficiency], runs)


def _column(runs: list[dict[str, Any]], name: str) -> list[float]:
    return [float(run[name]) for run in runs]


def _ratio(of: list[float], to: list[float]) -> list[float]:
    return [a / b for a, b in zip(of, to, strict=True)]
