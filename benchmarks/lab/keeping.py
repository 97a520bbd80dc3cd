"""Runs that are kept as they end, so that what was interrupted goes on where it stopped."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.lab.shares import Run

Key = tuple[str, str, int, int]
"""Shop, method, seed, visitors."""


def complete(wanted: list[Key], run: Callable[..., Run], kept: Path, jobs: int, console: Console) -> list[Run]:
    """Makes those of the wanted runs that are not kept, so many at a time; all that are wanted, in that order."""
    known = known_runs(kept)
    missing = [key for key in wanted if key not in known]
    console.print(f"{len(wanted)} runs, {len(wanted) - len(missing)} of them kept from before")
    kept.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(jobs) as pool, kept.open("ab") as file:
        futures = [pool.submit(run, *key) for key in missing]
        for done, future in enumerate(as_completed(futures), start=1):
            made = future.result()
            known[key_of(made)] = made
            file.write(msgspec.json.encode(made) + b"\n")
            file.flush()
            console.print(f"{done}/{len(missing)} {made.shop} {made.method} seed {made.seed}: {made.share:.3f}")
    return [known[key] for key in wanted]


def known_runs(path: Path) -> dict[Key, Run]:
    """The runs that the file keeps."""
    if not path.exists():
        return {}
    runs = [msgspec.json.decode(line, type=Run) for line in path.read_bytes().splitlines()]
    return {key_of(run): run for run in runs}


def key_of(run: Run) -> Key:
    """What a run is kept by."""
    return run.shop, run.method, run.seed, run.visitors
