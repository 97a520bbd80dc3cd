"""`python -m benchmarks [--quick] [--only SECTION,…] [--out FILE]`: the benchmarks on the real stack.

Prints a table of medians and spreads, and writes a JSON file with the raw runs next to them.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.plan import FULL, QUICK
from benchmarks.plots import draw
from benchmarks.sections import TASK_MANAGERS, Bench, catalogue, cost, latency, scaling, start, throughput
from benchmarks.stack import Stack, benchmark_stack
from benchmarks.summary import Figures
from jobs.settings import to_tree

SHARED = (max(TASK_MANAGERS), ("local.task_manager_memory_mb=8000",))
"""TaskManagers and settings of the stack of most sections: with twice the room that the state of a million sessions needs."""
NO_STACK: tuple[int, tuple[str, ...]] = (0, ())
STACKS: dict[str, tuple[int, tuple[str, ...]]] = {"start": NO_STACK, "catalogue": (1, catalogue.STACK)}
"""Of those that need another one, or start their own."""
RESULTS = Path(__file__).parent / "results"
SECTIONS: dict[str, Callable[[Bench], Figures]] = {
    "start": start.run,
    "throughput": throughput.run,
    "latency": latency.run,
    "scaling": scaling.run,
    "cost": cost.run,
    "catalogue": catalogue.run,
}
QUICK_SECTIONS = [name for name in SECTIONS if name != "catalogue"]
"""A large catalogue takes minutes to come in."""


def main() -> None:
    """Runs the sections and writes the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events and runs, minutes instead of hours")
    parser.add_argument("--only", metavar="SECTION,…", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--out", type=Path, default=RESULTS / "latest.json")
    options = parser.parse_args()
    usual = QUICK_SECTIONS if options.quick else list(SECTIONS)
    chosen = [name for name in options.only.split(",") if name] if options.only else usual
    unknown = sorted(set(chosen) - set(SECTIONS))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}: there are {', '.join(SECTIONS)}")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the stack is stopped
    console, plan, begun = Console(), QUICK if options.quick else FULL, time.monotonic()
    results: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "quick": options.quick,
        "machine": machine(),
        "plan": plan._asdict(),
        "runs": {},
    }

    def say(line: str) -> None:
        console.print(f"{time.monotonic() - begun:6.0f} s  {line}", highlight=False)

    values: dict[str, Any] = {}
    for (task_managers, sets), names in groupby(chosen, lambda name: STACKS.get(name, SHARED)):
        with _stack_for(task_managers, sets) as stack:
            if task_managers:
                say("the stack runs")
                results.setdefault("configuration", to_tree(stack.settings))
            bench = Bench(stack, plan, say, values)
            for name in names:
                figures = SECTIONS[name](bench)
                values |= figures.values
                results |= figures.values
                results["runs"][name] = figures.runs
                console.print(_table(name, figures))
                _write(options.out, results)
    plots = draw(results, options.out.parent / "plots")
    say(f"written to {options.out}, with {len(plots)} plots in {options.out.parent / 'plots'}")


def _stack_for(task_managers: int, sets: tuple[str, ...]) -> AbstractContextManager[Stack]:
    """The stack of some sections; nothing for those that start their own, and so do not look at it."""
    return benchmark_stack(task_managers, sets) if task_managers else nullcontext(cast(Stack, None))


def _write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))


def _table(name: str, figures: Figures) -> Table:
    table = Table("figure", "median", "least", "most", title=name)
    for row in figures.rows:
        table.add_row(row.name, *(f"{value:,.{row.decimals}f}" for value in (row.median, row.least, row.most)))
    return table


if __name__ == "__main__":
    main()
