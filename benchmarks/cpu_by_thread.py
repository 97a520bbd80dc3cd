"""CPU of a running stack by process and thread: `python -m benchmarks.cpu_by_thread WORKDIR [--seconds S] [--rate N]`.

Attaches to the stack that `heliotrope up` has started in WORKDIR, and changes nothing. With `--rate` it also sends the benchmarks'
traffic, as many events a second, from a warm-up before until the end; without, it measures what goes on there, or the idle stack.
Events are counted by the end of their topic, so the figures are right whoever sends them.

Times are of the kernel, from /proc/PID/task/TID/stat; threads are added up by the stem of their names, of 15 characters. What
ended in between is in its process's sum alone, as `(ended)`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
from kafka import KafkaConsumer, TopicPartition

from benchmarks.cpu import cpu_seconds
from benchmarks.latency import ENCODING_S, START_S
from benchmarks.preload import load_catalogue
from benchmarks.stack import Stack
from benchmarks.threads import thread_seconds
from cli.errors import UserError
from cli.stack import control
from cli.stack.record import StackRecord

ENDED = "(ended)"
LEAST_MS_PER_S = 0.5
"""Of a core: threads with less are added up in the last row of their process."""
REST = "(all others)"
SETTLE_S = 1.0


class Reading(NamedTuple):
    """CPU seconds since each process began, by its name and by its threads' stems; the events in the topic; when that was."""

    processes: dict[str, float]
    threads: dict[str, dict[str, float]]
    events: int
    at_s: float


class Figure(NamedTuple):
    """What a process used in between, and its threads: ms of CPU a second, the busiest first."""

    process: str
    ms_per_s: float
    threads: dict[str, float]


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workdir", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=int, default=0, help="events a second to send; 0: none")
    parser.add_argument("--warm-up", type=float, default=30.0, help="seconds of the load before what is counted")
    parser.add_argument("--lasting", action="store_true", help="sessions that go on from beginning to end")
    parser.add_argument("--catalogue", action="store_true", help="load the traffic's products first")
    parser.add_argument("--seed", type=int, default=1, help="sessions of one seed are others than those of another")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    record = control.running(options.workdir)
    if record is None:
        sys.exit(f"no stack runs in {options.workdir}: start one with `heliotrope up --workdir {options.workdir}`")
    if options.catalogue:
        load_catalogue(Stack(options.workdir, record, control.job_settings(options.workdir)))
    sender = _send(options, record) if options.rate else None
    before = read(options.workdir)
    time.sleep(options.seconds)
    after = read(options.workdir)
    if sender is not None and sender.wait() != 0:
        sys.exit("the load could not be sent")
    figures = list(differences(before, after))
    events, seconds = after.events - before.events, after.at_s - before.at_s
    print(table(figures, events, seconds))
    if options.json:
        found = {figure.process: {"ms_per_s": figure.ms_per_s, "threads": figure.threads} for figure in figures}
        options.json.write_text(json.dumps({"events": events, "seconds": seconds, "processes": found}, indent=1))


def read(workdir: Path) -> Reading:
    """Read all of a stack's processes.

    Raises:
        UserError: it has ended.
    """
    record = control.running(workdir)
    if record is None:
        raise UserError(f"the stack in {workdir} has ended")
    pids = {name: process.pid for name, process in record.processes.items()} | {"supervisor": record.supervisor.pid}
    if "serving" in pids:
        workers = psutil.Process(pids["serving"]).children(recursive=True)
        pids |= {f"serving-worker-{at}": worker.pid for at, worker in enumerate(workers, start=1)}
    threads = {name: thread_seconds(pid) for name, pid in pids.items()}
    return Reading(cpu_seconds(pids), threads, _events(workdir, record), time.monotonic())


def differences(before: Reading, after: Reading) -> Iterable[Figure]:
    """Yield what each process used, the busiest first. One that began anew counts from its beginning."""
    seconds = after.at_s - before.at_s
    used = {name: _grown(before.processes.get(name, 0.0), total) for name, total in after.processes.items()}
    for name in sorted(used, key=lambda name: -used[name]):
        earlier = before.threads.get(name, {})
        threads = {thread: _grown(earlier.get(thread, 0.0), total) for thread, total in after.threads[name].items()}
        threads[ENDED] = max(0.0, used[name] - sum(threads.values()))
        busiest = sorted(threads, key=lambda thread: -threads[thread])
        yield Figure(
            name, used[name] / seconds * 1_000, {thread: threads[thread] / seconds * 1_000 for thread in busiest}
        )


def table(figures: Iterable[Figure], events: int, seconds: float) -> str:
    """Return the figures as text: ms of CPU a second, and µs an event if there were any."""
    figures = list(figures)
    total = sum(figure.ms_per_s for figure in figures)
    lines = [f"{events:,} events in {seconds:.1f} s: {events / seconds:,.0f} events/s", ""]
    lines += [f"{'':34}{'ms/s':>9}{'µs/event':>10}", _row("all", total, events, seconds)]
    for figure in figures:
        lines += ["", _row(figure.process, figure.ms_per_s, events, seconds)]
        shown = {name: ms for name, ms in figure.threads.items() if ms >= LEAST_MS_PER_S}
        rest = sum(figure.threads.values()) - sum(shown.values())
        lines += [_row(f"  {name}", ms, events, seconds) for name, ms in (shown | {REST: rest}).items()]
    return "\n".join(lines)


def _row(name: str, ms_per_s: float, events: int, seconds: float) -> str:
    each = f"{ms_per_s * 1_000 * seconds / events:10.1f}" if events else ""
    return f"{name:34}{ms_per_s:9.1f}{each}"


def _grown(before: float, after: float) -> float:
    return after - before if after >= before else after


def _events(workdir: Path, record: StackRecord) -> int:
    """How many events the topic has had."""
    settings = control.job_settings(workdir)
    consumer = KafkaConsumer(bootstrap_servers=record.kafka)
    try:
        topic = settings.kafka.topics.user_interactions
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        return sum(consumer.end_offsets(partitions).values())
    finally:
        consumer.close()


def _send(options: argparse.Namespace, record: StackRecord) -> subprocess.Popen[bytes]:
    """Starts the load, and returns once it is warm."""
    settings = control.job_settings(options.workdir)
    whole_s = options.warm_up + options.seconds + SETTLE_S
    begin = time.time() + START_S + options.rate * whole_s * ENCODING_S
    where: Mapping[str, object] = {
        "kafka": record.kafka,
        "topic": settings.kafka.topics.user_interactions,
        "partitions": settings.kafka.partitions,
        "rate": options.rate,
        "seconds": whole_s,
        "seed": options.seed,
        "begin": begin,
    }
    arguments = [text for name, value in where.items() for text in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "benchmarks.load", *arguments, *(["--lasting"] if options.lasting else [])]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    time.sleep(max(0.0, begin + options.warm_up - time.time()))
    return process


if __name__ == "__main__":
    main()
