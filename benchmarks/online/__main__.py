"""`python -m benchmarks.online [--minutes N] [--seeds K] [--out FILE]`: click-through by arm, through the whole stack.

Each seed gets a stack of its own, with the demo catalogue and a job that has learned nothing. Simulated shoppers arrive in three
arms side by side: two fifths see Heliotrope's lists, two fifths the products most viewed in their own arm, a fifth random ones; the
best possible lists are known for each shopper. Prints a table, and writes a JSON file with the runs' windows and an SVG next to it.
Runs of FILE with other seeds are kept with --keep, and the figures are of all of them together.
"""

import argparse
import signal
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchmarks.machine import machine
from benchmarks.online.plot import plot
from benchmarks.online.report import figures, table
from benchmarks.online.run import Load, Run, run_once
from benchmarks.online.windows import best_for_everybody
from benchmarks.stack import benchmark_stack
from cli.simulate.session import demo_catalogue, read_shop

RESULTS = Path(__file__).parent.parent / "results"


def main() -> None:
    """Runs the seeds, then writes results and plot."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that the stack is stopped
    console = Console()
    load = Load(options.sessions_per_second, 60 * options.minutes)
    runs = {run.seed: run for run in (_read(options.out) if options.keep else [])}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        console.print(f"seed {seed}: {load.duration_s:g} s of {load.sessions_per_second:g} sessions/s")
        with benchmark_stack() as stack:
            runs[seed] = run_once(stack, seed, load)
            _write(options.out, [runs[known] for known in sorted(runs)], console)


def _write(out: Path, runs: list[Run], console: Console) -> None:
    found = figures(runs)
    everybody = best_for_everybody(read_shop(demo_catalogue()))
    results: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "best_for_everybody": everybody,
        **found,
        "runs": runs,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    plot(runs, everybody, out.with_suffix(".svg"))
    console.print(table(found))
    console.print(f"the best list that is the same for all would get {100 * everybody:.1f} %")
    console.print(f"written to {out}, with a plot next to it", soft_wrap=True)


def _read(path: Path) -> list[Run]:
    if not path.exists():
        return []
    return msgspec.convert(msgspec.json.decode(path.read_bytes())["runs"], list[Run])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.online", description=__doc__)
    parser.add_argument("--minutes", type=float, default=4.0, help="of each run")
    parser.add_argument("--seeds", type=int, default=3, help="runs")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--sessions-per-second", type=float, default=20.0)
    parser.add_argument("--keep", action="store_true", help="together with the runs that are in the file already")
    parser.add_argument("--out", type=Path, default=RESULTS / "online.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
