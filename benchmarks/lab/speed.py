"""`python -m benchmarks.lab.speed`: slates and updates per second of one core, ours next to Vowpal Wabbit and river.

All choose slates of 10 from 100 products for visitors with an interest, after the same warm-up in the same shop, and learn one
exposure at a time. Ours includes finding candidates, features, the posterior draws and true propensities; Vowpal Wabbit's includes
writing and parsing its text; river's policies see neither visitor nor product. A publication, which ours needs
before updates act, is timed on its own. Figures are CPU time of the one thread.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy: "one core" must be one

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.lab.methods import OURS, make_method
from benchmarks.lab.ours import Heliotrope
from benchmarks.lab.river_policies import FACTORIES, RiverPolicy
from benchmarks.lab.spec import Spec
from benchmarks.lab.vowpal import VARIANTS, VowpalWabbit
from benchmarks.lab.world import World
from benchmarks.machine import machine

RESULTS = Path(__file__).parent.parent / "results" / "lab-speed.json"
ITEMS = 10
WARM_UP = 80
LEAST_SECONDS = 0.5


class Speed(msgspec.Struct, frozen=True):
    """Calls per second of CPU time; `publish_ms` for a whole new model where there is such a thing."""

    method: str
    slates_per_second: float
    updates_per_second: float
    publish_ms: float | None


def per_second(call: Callable[[], object]) -> float:
    """Calls per second of CPU time, over at least LEAST_SECONDS."""
    call()
    calls, started = 0, time.thread_time()
    while time.thread_time() - started < LEAST_SECONDS:
        call()
        calls += 1
    return calls / (time.thread_time() - started)


def measure(name: str) -> Speed:
    """Warms a method up in a small shop and times it there."""
    spec = Spec("speed", products=100, visitors=WARM_UP, shown=ITEMS)
    world = World(spec, 1)
    method = make_method(name, world, 1)
    world.run(method)
    session_id = "session-7"
    now_ms = world.now_ms
    if isinstance(method, Heliotrope):
        slates, updates, publish_ms = method.speeds(session_id, now_ms, per_second)
    else:
        assert isinstance(method, VowpalWabbit | RiverPolicy)
        slates = per_second(lambda: method.page(session_id, ITEMS, now_ms))
        updates, publish_ms = per_second(method.some_update(session_id, now_ms)), None
    return Speed(name, round(slates), round(updates), publish_ms)


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab.speed", description=__doc__)
    names = (*OURS, *VARIANTS, *FACTORIES)
    parser.add_argument("--methods", nargs="+", choices=names, default=names)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    found = [measure(name) for name in options.methods]
    table = Table("method", "slates/s", "updates/s", "publication", title=f"Slates of {ITEMS} from 100, one core")
    for speed in found:
        publish = f"{speed.publish_ms:.1f} ms" if speed.publish_ms is not None else ""
        table.add_row(speed.method, f"{speed.slates_per_second:,.0f}", f"{speed.updates_per_second:,.0f}", publish)
    Console().print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    results = {"machine": machine(), "speeds": found}
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))


if __name__ == "__main__":
    main()
