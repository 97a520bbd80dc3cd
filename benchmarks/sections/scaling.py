"""Many sessions against few, and more candidates."""

from typing import Any

from benchmarks.sections import Bench
from benchmarks.summary import Figures, column, ratios, row
from benchmarks.throughput import run_job

FEW, MANY = 1_000, 1_000_000
EVERY_PROFILE = ("profile.min_interval=0 ms", "overload.spacing_after=3650 d", "overload.fewer_candidates_after=3650 d")
"""Else few sessions would be spared most of their slates, and many none."""


def run(bench: Bench) -> Figures:
    """As many events of 10³ and of up to 10⁶ sessions in turn; then each number of candidates."""
    runs: dict[str, list[dict[str, Any]]] = {f"sessions_{n}": [] for n in (FEW, MANY)}
    loads = {n: bench.load(n) for n in (FEW, MANY)}
    for number in range(bench.plan.rounds):
        for n, load in loads.items():
            runs[f"sessions_{n}"].append(run_job(bench.stack, load, bench.task_managers, *EVERY_PROFILE))
        last = ", ".join(f"{name} {found[-1]['events_per_second']:,.0f}" for name, found in runs.items())
        bench.say(f"round {number + 1} of {bench.plan.rounds}, events/s: {last}")
    load = bench.load()._replace(longest_s=bench.plan.candidates_s)
    for most in bench.plan.candidates:
        found = run_job(bench.stack, load, bench.task_managers, *EVERY_PROFILE, f"candidates.max={most}")
        runs[f"candidates_{most}"] = [found]
        bench.say(f"{most} candidates, events/s: {found['events_per_second']:,.0f}")
    return figures(runs)


def figures(runs: dict[str, list[dict[str, Any]]]) -> Figures:
    """Rates, and the ratio of many sessions to few within each round."""
    rates = {name: column(found, "events_per_second") for name, found in runs.items()}
    ratio = row("events/s, 10⁶ sessions / 10³", ratios(rates[f"sessions_{MANY}"], rates[f"sessions_{FEW}"]), 3)
    rows = [row(f"{name}, events/s", values) for name, values in rates.items()]
    sizes = [
        row(
            f"{name}, checkpoint, MB", [run["checkpoint"]["state_bytes"] / 1e6 for run in found if run["checkpoint"]], 1
        )
        for name, found in runs.items()
        if any(run["checkpoint"] for run in found)
    ]
    by_candidates = {
        name.partition("_")[2]: values[0] for name, values in rates.items() if name.startswith("candidates")
    }
    values = {"throughput_1e6_vs_1e3_sessions": ratio.median, "events_per_second_by_candidates": by_candidates}
    return Figures(values, [*rows, ratio, *sizes], runs)
