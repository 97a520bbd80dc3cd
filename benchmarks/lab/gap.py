"""`python -m benchmarks.lab.gap`: what of the gap between ours and the best is due to what, each piece taken away in turn.

- `all_candidates`: ours chooses from up to 4,000 candidates, which is all of a shop but for `many_arms`, not from 100 found ones.
- `no_exploration`: confidence and floor are 0, so that ours shows what it holds to be best.
- `oracle_coefficients`: ours has, from the first page on, the model that it learns from five times as many other visitors in the
  same shop and span of time, and learns no more. Its features are today's, and its draws are as narrow as so much evidence makes
  them. In `drifting` that model is a mean over all phases.
- `oracle_features`: not ours, but a ridge regression with Thompson sampling on the truth's own terms: the visitor's match with the
  category, appeal, price, and products of these. It learns from the same clicks and chooses from the same kind of candidates.
- `clicks_reported`: ours in a shop that differs: nothing is delayed or lost, and every position is looked at. The share is of the
  way to what is best there. A dash stands for shops where that is so anyway; the mean counts them as 0.
- `attainable`: not ours either, but the ceiling, see `ceiling.py`.

Each is a difference of shares to ours with the same seed, so the same visitors with the same luck. It stands for each shop and in
the mean over shops, with an interval by bootstrap over the seeds. Pieces overlap, so they need not add up. Seeds begin at 100:
those below are for tables of results, and this one is for deciding what to build. Runs are kept in `lab-gap-runs.jsonl`.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: see `benchmarks.lab`

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchmarks.lab import spec
from benchmarks.lab.keeping import Key, complete
from benchmarks.lab.method import Method
from benchmarks.lab.methods import ATTAINABLE, make_method
from benchmarks.lab.oracle import OracleFeatures, with_coefficients
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.report import by_number, cell_of, row_of
from benchmarks.lab.shares import Interval, Run, by_method, difference, interval, run_in, shares_by_number
from benchmarks.lab.world import World

RESULTS = Path(__file__).parent.parent / "results"
OURS = "heliotrope"
REPORTED = "clicks_reported"
PIECES = ("all_candidates", "no_exploration", "oracle_coefficients", "oracle_features", REPORTED, ATTAINABLE)
FIRST_SEED = 100
SEEDS = 5
VISITORS = 200
ALL_CANDIDATES = 4_000
"""As many as the kernels can tell apart within one choice."""
GREEDY = {"bandit": {"confidence": 0.0, "floor": 0.0}}


def run_piece(shop_name: str, piece: str, seed: int, visitors: int) -> Run:
    """Runs ours, as it is or with that piece taken away, in a shop."""
    shop = spec.shop(shop_name, seed, visitors)
    return run_in(_reported(shop) if piece == REPORTED else shop, seed, piece, lambda world: _make(piece, world, seed))


def differs(shop_name: str, piece: str, seed: int) -> bool:
    """Whether a piece can be taken away in that shop."""
    shop = spec.shop(shop_name, seed)
    return piece != REPORTED or _reported(shop) != shop


def summary(runs: list[Run]) -> dict[str, Any]:
    """Our share and the pieces' differences, by shop and in the mean over the shops."""
    shops: dict[str, Any] = {}
    every: dict[str, list[Run]] = {}
    curves: dict[str, list[list[float | None]]] = {}
    for shop in dict.fromkeys(run.shop for run in runs):
        grouped = by_method(runs, shop)
        ours = grouped[OURS]
        shops[shop] = {OURS: interval([run.share for run in ours]), "seeds": len(ours)}
        every.setdefault(OURS, []).extend(ours)
        for piece in PIECES:
            found = {run.seed: run for run in grouped.get(piece, [])}
            paired = [found.get(run.seed, run) for run in ours]
            shops[shop][piece] = difference(paired, ours) if found else None
            every.setdefault(piece, []).extend(paired)
        for name in (OURS, *PIECES):
            if name in grouped:
                curves.setdefault(name, []).append(shares_by_number(grouped[name]))
    mean: dict[str, Any] = {OURS: _mean_over_shops(every[OURS], None)}
    mean.update({piece: _mean_over_shops(every[piece], every[OURS]) for piece in PIECES})
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"at": at, "shops": shops, "mean": mean, "by_number": curves, "runs": runs}


def markdown(results: dict[str, Any]) -> str:
    """A row for each shop, and one for the mean; below it the shares by the page's number."""
    lines = [row_of("shop", OURS, *PIECES), row_of(*["---"] * (2 + len(PIECES)))]
    for shop, found in [*results["shops"].items(), ("mean", results["mean"])]:
        cells = [cell_of(found[piece], "+.3f") if found[piece] else "–" for piece in PIECES]
        seeds = f" n={found['seeds']}" if "seeds" in found else ""
        lines.append(row_of(shop, cell_of(found[OURS], ".3f") + seeds, *cells))
    return "\n".join([*lines, "", *by_number(results["by_number"], len(results["shops"]))]) + "\n"


def main() -> None:
    """Runs what is missing, then writes results and table."""
    options = _options()
    console = Console()
    kept = options.out.with_name("lab-gap-runs.jsonl")
    if options.fresh:
        kept.unlink(missing_ok=True)
    wanted: list[Key] = [
        (shop, piece, seed, options.visitors)
        for seed in options.seeds
        for shop in options.shops
        for piece in (OURS, *PIECES)
        if differs(shop, piece, seed)
    ]
    results = summary(complete(wanted, run_piece, kept, options.jobs, console))
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    options.out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")
    console.print(markdown(results))


def _reported(shop: spec.Spec) -> spec.Spec:
    return replace(shop, lost=0.0, delay_ms=0, examination=1.0)


def _make(piece: str, world: World, seed: int) -> Method:
    if piece == "all_candidates":
        return Heliotrope({}, seed, candidates=ALL_CANDIDATES)
    if piece == "no_exploration":
        return make_method(OURS, world, seed, GREEDY)
    if piece == "oracle_coefficients":
        return with_coefficients(world, seed)
    if piece == "oracle_features":
        return OracleFeatures(world, seed)
    return make_method(ATTAINABLE if piece == ATTAINABLE else OURS, world, seed)


def _mean_over_shops(runs: list[Run], less: list[Run] | None) -> Interval:
    """The mean over the shops for each seed, less another method's, and the interval over the seeds."""
    by_seed: dict[int, list[float]] = {}
    for place, run in enumerate(runs):
        by_seed.setdefault(run.seed, []).append(run.share - (less[place].share if less else 0.0))
    return interval([sum(shares) / len(shares) for shares in by_seed.values()])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lab.gap", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shops", nargs="+", default=list(spec.NAMES), choices=spec.NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(FIRST_SEED, FIRST_SEED + SEEDS)))
    parser.add_argument("--visitors", type=int, default=VISITORS, help="per run")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--fresh", action="store_true", help="forgets the runs that are kept")
    parser.add_argument("--out", type=Path, default=RESULTS / "lab-gap.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
