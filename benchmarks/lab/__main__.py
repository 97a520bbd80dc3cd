"""`python -m benchmarks.lab [--quick]`: learning quality in every shop, ours against others, with plots; and speed.

Runs are kept as they end (`lab-runs.jsonl` beside the results), so what was interrupted goes on where it stopped; `--fresh` begins
again, which a change of the code calls for. The full run is 20 seeds of all methods, which takes hours of one core; `--shops`,
`--methods` and `--seeds` narrow it.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: methods are compared on one core

import argparse
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.lab import methods, spec
from benchmarks.lab.shares import Run, by_method, difference, interval, run_once

RESULTS = Path(__file__).parent.parent / "results"
SEEDS = 20
QUICK_SEEDS = 2
QUICK_VISITORS = 150
QUICK_METHODS = ("uniform", "popularity", "optimum", "heliotrope", "lin_ucb", "vw_squarecb", "vw_epsilon")

Key = tuple[str, str, int, int]
"""Shop, method, seed, visitors."""


def main() -> None:
    """Runs what is missing, then writes results, table and plots."""
    options = _options()
    console = Console()
    kept = options.out.with_name("lab-runs.jsonl")
    kept.parent.mkdir(parents=True, exist_ok=True)
    if options.fresh:
        kept.unlink(missing_ok=True)
    wanted = _wanted(options)
    known = {_key(run): run for run in _read(kept)}
    missing = [key for key in wanted if key not in known]
    console.print(f"{len(wanted)} runs, {len(wanted) - len(missing)} of them kept from before")
    with ProcessPoolExecutor(options.jobs) as pool, kept.open("ab") as file:
        futures = [pool.submit(run_once, *key) for key in missing]
        for done, future in enumerate(as_completed(futures), start=1):
            run = future.result()
            known[_key(run)] = run
            file.write(msgspec.json.encode(run) + b"\n")
            file.flush()
            console.print(f"{done}/{len(missing)} {run.shop} {run.method} seed {run.seed}: {run.share:.3f}")
    _report([known[key] for key in wanted], options.out, console)


def _report(runs: list[Run], out: Path, console: Console) -> None:
    from benchmarks.lab.plots import plot_shop  # matplotlib is not needed by the runs' processes

    results = summary(runs)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    plots = [plot_shop(runs, shop, out.parent / "plots") for shop in results["shops"]]
    console.print(table(results))
    console.print(f"written to {out} and {len(plots)} plots to {out.parent / 'plots'}")


def summary(runs: list[Run]) -> dict[str, Any]:
    """Shares by shop and method with intervals, and each method's paired difference from the best competitor."""
    shops: dict[str, Any] = {}
    for shop in dict.fromkeys(run.shop for run in runs):
        grouped = by_method(runs, shop)
        rivals = [name for name in grouped if name not in methods.OURS and name != "optimum"]
        best = max(rivals, key=lambda name: interval([run.share for run in grouped[name]]).mean, default=None)
        shops[shop] = {
            "best_competitor": best,
            "methods": {
                name: {
                    "seeds": len(found),
                    "share": interval([run.share for run in found]),
                    "late_share": interval([run.late_share for run in found]),
                    "seconds": interval([run.seconds for run in found]).mean,
                    "above_best_competitor": difference(found, grouped[best]) if best else None,
                }
                for name, found in grouped.items()
            },
        }
    return {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "shops": shops, "runs": runs}


def table(results: dict[str, Any]) -> Table:
    """Methods by shops."""
    shops = results["shops"]
    names = list(dict.fromkeys(name for shop in shops.values() for name in shop["methods"]))
    shown = Table("method", *shops, title="Share of the way from uniform choice to the best possible slate")
    for name in names:
        cells = [shop["methods"].get(name) for shop in shops.values()]
        shown.add_row(name, *(_cell(cell["share"]) if cell else "" for cell in cells))
    return shown


def _cell(share: Any) -> str:
    return f"{share.mean:.2f} [{share.low:.2f}, {share.high:.2f}]"


def _wanted(options: argparse.Namespace) -> list[Key]:
    return [
        (shop, method, seed, options.visitors or spec.shop(shop, seed).visitors)
        for seed in range(options.seeds)
        for shop in options.shops
        for method in options.methods
        if methods.is_feasible(method, shop)
    ]


def _key(run: Run) -> Key:
    return run.shop, run.method, run.seed, run.visitors


def _read(path: Path) -> list[Run]:
    if not path.exists():
        return []
    return [msgspec.json.decode(line, type=Run) for line in path.read_bytes().splitlines()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SEEDS} seeds of {QUICK_VISITORS} visitors")
    parser.add_argument("--shops", nargs="+", default=list(spec.NAMES), choices=spec.NAMES)
    parser.add_argument("--methods", nargs="+", choices=methods.NAMES)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--visitors", type=int, help="per run, in place of the shop's own number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--fresh", action="store_true", help="forgets the runs that are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "lab.json")
    options = parser.parse_args()
    options.methods = options.methods or list(QUICK_METHODS if options.quick else methods.NAMES)
    options.seeds = options.seeds or (QUICK_SEEDS if options.quick else SEEDS)
    options.visitors = options.visitors or (QUICK_VISITORS if options.quick else None)
    return options


if __name__ == "__main__":
    main()
