"""`python -m benchmarks [--quick] [--out FILE]`: runs the benchmarks side by side and writes a table and a JSON file."""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.latency import measure
from benchmarks.machine import machine
from benchmarks.stack import Stack, benchmark_stack
from benchmarks.throughput import drain, preload
from benchmarks.traffic import events
from cli.stack.topics import create_topics
from jobs.settings import load_settings

RESULTS = Path(__file__).parent / "results"
SPAN_MS = 2 * 3_600_000


def main() -> None:
    """Runs all and writes the results."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events and runs, under 5 minutes")
    parser.add_argument("--out", type=Path, default=RESULTS / "latest.json")
    options = parser.parse_args()
    console = Console()
    runs, count, seconds = (3, 40_000, 20.0) if options.quick else (5, 110_000, 60.0)
    with benchmark_stack() as stack:
        latency = [measure(stack, 500, seconds, run) for run in range(runs)]
        throughput = [_throughput(stack, count, seed) for seed in range(runs)]
    results = {
        "machine": machine(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "latency_500_ms": _medians(latency),
        "events_per_second": statistics.median(run["events_per_second"] for run in throughput),
        "runs": {"latency_500": latency, "throughput": throughput},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))
    console.print(_table(results))
    console.print(f"written to {options.out}")


def _throughput(stack: Stack, count: int, seed: int) -> dict[str, float]:
    """Loads a topic of its own while no job runs, then times the job on it."""
    stack.stop_job()
    topic = f"kafka.topics.user_interactions=throughput-{seed}"
    settings = load_settings(stack.config, [topic], environ={})
    create_topics(settings, stack.kafka)
    traffic = events(count, int(time.time() * 1_000) - SPAN_MS, SPAN_MS, seed=seed)
    loaded = preload(stack, settings.kafka.topics.user_interactions, traffic)
    stack.start_job(topic)
    return drain(stack, loaded)


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def _table(results: dict[str, Any]) -> Table:
    table = Table("figure", "median", title="Heliotrope")
    for name in ("p50", "p95", "p99", "p999"):
        table.add_row(f"click to Redis at 500 events/s, {name}", f"{results['latency_500_ms'][name]:.1f} ms")
    table.add_row("events per second through the whole job", f"{results['events_per_second']:,.0f}")
    return table


if __name__ == "__main__":
    main()
