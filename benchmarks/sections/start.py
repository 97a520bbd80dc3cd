"""`up` to RUNNING, and click to Redis in the two minutes after it."""

import statistics

from benchmarks.sections import Bench
from benchmarks.starting import QUANTILES, RATE, measure
from benchmarks.summary import Figures, column, row


def run(bench: Bench) -> Figures:
    """Start and stop a stack of its own, several times; no other may run meanwhile."""
    runs = []
    for _ in range(bench.plan.starts):
        found = measure(seconds=bench.plan.first_s)
        runs.append(found)
        quantiles = ", ".join(f"{name} {found[name]:,.0f} ms" for name in QUANTILES)
        bench.say(f"up took {found['up_s']:.1f} s and {found['up_cpu_s']:.0f} s of CPU; then {quantiles}")
    rows = [
        row("up to RUNNING, s", column(runs, "up_s"), 1),
        row("CPU of that, s", column(runs, "up_cpu_s"), 1),
        *(row(f"the first minutes at {RATE} events/s, {name}, ms", column(runs, name), 1) for name in QUANTILES),
    ]
    names = ("up_s", "up_cpu_s", *QUANTILES)
    return Figures({"start": {name: statistics.median(column(runs, name)) for name in names}}, rows, {"starts": runs})
