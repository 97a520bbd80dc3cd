"""`python -m benchmarks.soak [--minutes 60] [--rate 150]`: samples, a plot, a table; exit status 1 if something grows."""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from kafka import KafkaProducer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.soak.crowd import catalogue
from benchmarks.soak.load import Load
from benchmarks.soak.plot import draw
from benchmarks.soak.sampling import Probe, Sample
from benchmarks.soak.verdict import Verdict, judge
from benchmarks.stack import Stack
from cli.stack import control
from jobs.settings import load_settings

EVERY_S = 10.0
RESULTS = Path(__file__).parents[1] / "results"
# All that is kept for a time has filled and empties again well before the half from which the verdict comes.
SHORT_LIVES = (
    "session.ttl=5 min",
    "events.allowed_lateness=5 min",
    "reward.window=1 min",
    "reward.disorder=30 s",
    "popularity.window=5 min",
    "popularity.slide=10 s",
    "users.ttl=10 min",
)
Series = dict[str, tuple[list[float], list[float]]]


def soak(minutes: float, rate: int, seed: int, sets: Sequence[str], console: Console) -> tuple[list[Sample], list[str]]:
    """Runs a stack of its own under the load; the samples, each with its second, and what had to be restarted."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="heliotrope-soak-") as folder:
        workdir = Path(folder) / "stack"
        settings = load_settings(None, ["local.start_timeout=10 min", *SHORT_LIVES, *sets], environ={})
        try:
            record = control.start_stack(
                settings, workdir, lambda step: console.print(step.name, step.state, *step.tail)
            )
            stack = Stack(workdir, record, control.job_settings(workdir))
            _list_products(stack)
            load = Load(stack.kafka, stack.redis, stack.settings.redis.prefix, rate, seed)
            probe = Probe(stack, load, workdir)
            begin = time.monotonic()
            load.start()
            try:
                for number in track(range(1, int(minutes * 60 / EVERY_S) + 1), "soaking", console=console):
                    time.sleep(max(0.0, begin + number * EVERY_S - time.monotonic()))
                    samples.append({"at": time.monotonic() - begin} | probe.sample())
            finally:
                load.close()
                probe.close()
            now = control.running(workdir)
            restarts = ["the stack ended"] if now is None else [f"{r.name}: {r.cause}" for r in now.restarts]
        finally:
            control.stop_stack(workdir)
    return samples, restarts


def as_series(samples: Sequence[Sample]) -> Series:
    """(seconds, values) by name, without what a sample lacks."""
    found: Series = {}
    for sample in samples:
        for name, value in sample.items():
            if name != "at":
                seconds, values = found.setdefault(name, ([], []))
                seconds.append(sample["at"])
                values.append(value)
    return found


def table_of(verdicts: Mapping[str, Verdict]) -> Table:
    """The verdicts for a person."""
    table = Table("series", "mean", "per hour", "± (95 %)", "allowed", "verdict")
    for name, found in sorted(verdicts.items()):
        numbers = (found.mean, found.per_hour, found.plus_minus, found.allowed)
        table.add_row(name, *(f"{number:,.1f}" for number in numbers), found.word)
    return table


def _list_products(stack: Stack) -> None:
    producer = KafkaProducer(bootstrap_servers=stack.kafka)
    for key, value in catalogue():
        producer.send(stack.settings.kafka.topics.products, value, key.encode())
    producer.close(60)


def main() -> int:
    """Soaks, and says what grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=150, help="events per second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plots", type=Path, default=RESULTS / "plots", help="folder of soak.png")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    options = parser.parse_args()
    console = Console()
    samples, restarts = soak(options.minutes, options.rate, options.seed, options.sets, console)
    series = as_series(samples)
    verdicts = {name: found for name, points in series.items() if (found := judge(name, *points)) is not None}
    host = machine()
    title = f"{options.minutes:.0f} min at {options.rate} events/s, {host['cpu']}, {host['cores']} cores"
    file = draw(series, verdicts, title, options.plots)
    words = {name: found._asdict() | {"verdict": found.word} for name, found in verdicts.items()}
    result = {"machine": host, "options": title, "restarts": restarts, "verdicts": words, "samples": samples}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "soak.json").write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1))
    console.print(table_of(verdicts))
    console.print(f"restarts: {', '.join(restarts) or 'none'}; {file}", soft_wrap=True)
    return 1 if restarts or any(found.word == "grows" for found in verdicts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
