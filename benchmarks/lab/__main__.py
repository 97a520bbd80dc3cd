"""`python -m benchmarks.lab [--quick]`: learning quality in every shop, ours against others, as a JSON file, a table and plots.

Runs are kept as they end (`lab-runs.jsonl` next to the results), so what was interrupted goes on where it stopped; `--fresh` begins
again, which a change of the code calls for, and `--kept` reports on them without running more. The full run is 20 seeds of all
methods, which takes hours of one core; `--shops`, `--methods`, `--seeds` and `--visitors` narrow it. Speed is
`python -m benchmarks.lab.speed`; `make bench-lab` runs both.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: methods are compared on one core

import argparse
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.lab import methods, spec
from benchmarks.lab.keeping import Key, complete, known_runs
from benchmarks.lab.report import markdown, summary, tables
from benchmarks.lab.shares import Run, run_once

RESULTS = Path(__file__).parent.parent / "results"
SEEDS = 20
QUICK_SEEDS = 2
QUICK_VISITORS = 150
QUICK_METHODS = ("uniform", "popularity", *methods.KNOWING, "heliotrope", "lin_ucb", "vw_squarecb", "vw_epsilon")


def main() -> None:
    """Runs what is missing, then writes results, table and plots."""
    options = _options()
    console = Console()
    kept = options.out.with_name("lab-runs.jsonl")
    if options.fresh:
        kept.unlink(missing_ok=True)
    wanted = _wanted(options)
    if options.kept:
        known = known_runs(kept)
        runs = [known[key] for key in wanted if key in known]
    else:
        runs = complete(wanted, run_once, kept, options.jobs, console)
    _report(runs, options, console)


def _report(runs: list[Run], options: argparse.Namespace, console: Console) -> None:
    from benchmarks.lab.plots import plot_shop  # matplotlib is not needed by the runs' processes

    results = summary(runs)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    options.out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
    plots = [plot_shop(runs, shop, options.plots) for shop in results["shops"]]
    console.print(*tables(results), sep="\n")
    console.print(
        f"written to {options.out}, its table as Markdown next to it, and {len(plots)} plots to {options.plots}"
    )


def _wanted(options: argparse.Namespace) -> list[Key]:
    return [
        (shop, method, seed, options.visitors or spec.shop(shop, seed).visitors)
        for seed in range(options.seeds)
        for shop in options.shops
        for method in options.methods
        if methods.is_feasible(method, shop)
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} seeds of {QUICK_VISITORS} visitors")
    parser.add_argument("--shops", nargs="+", default=list(spec.NAMES), choices=spec.NAMES)
    parser.add_argument("--methods", nargs="+", choices=methods.NAMES)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--visitors", type=int, help="per run, in place of the shop's own number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--fresh", action="store_true", help="forgets the runs that are kept")
    parser.add_argument("--kept", action="store_true", help="reports on the runs that are kept and starts none")
    parser.add_argument("--out", type=Path, default=RESULTS / "lab.json")
    parser.add_argument("--plots", type=Path, default=RESULTS / "plots", help="folder of the plots")
    options = parser.parse_args()
    options.methods = options.methods or list(QUICK_METHODS if options.quick else methods.NAMES)
    options.seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    options.visitors = options.visitors or (QUICK_VISITORS if options.quick else None)
    return options


if __name__ == "__main__":
    main()
