"""`heliotrope up`, and the first two minutes after it: seconds to RUNNING, CPU by process, and click to Redis from the first event.

python -m benchmarks.starting [--rounds N] [--rate N] [--seconds S]

Shoppers send events and impressions at a constant rate as soon as the job is RUNNING and their catalogue is sent: no warm-up is
left out. Latency counts from when an event was due. The load runs in a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from kafka import KafkaProducer

from benchmarks.cpu import cpu_seconds, difference
from benchmarks.soak.crowd import catalogue
from benchmarks.soak.load import Load
from benchmarks.threads import busiest, thread_seconds
from cli.stack import control
from jobs.settings import load_settings

RATE, SECONDS, SLICE_S = 200, 120.0, 15.0
QUANTILES = {"p50": 50, "p95": 95, "p99": 99}
URL_VARIABLE = "REDIS"
"""Where the load finds Redis' URL: it holds a password, and arguments are seen by all."""


def measure(rate: int = RATE, seconds: float = SECONDS) -> dict[str, Any]:
    """One start, the minutes after it, and the stop, in a folder of its own."""
    settings = load_settings(None, ["local.start_timeout=10 min"], environ={})
    with tempfile.TemporaryDirectory(prefix="heliotrope-bench-") as folder:
        workdir, steps, begun = Path(folder) / "stack", {}, time.monotonic()
        load_before = os.getloadavg()[0]
        try:
            record = control.start_stack(
                settings, workdir, lambda step: steps.update({step.name: round(step.seconds or 0.0, 1)})
            )
            up_s, up_cpu_s = time.monotonic() - begun, _all_cpu_s(record.supervisor.pid)
            processes = {name: process.pid for name, process in record.processes.items()}
            at_start = cpu_seconds(processes)
            found = _first_minutes(record.kafka, record.redis, settings.redis.prefix, rate, seconds, processes)
        finally:
            control.stop_stack(workdir)
    cpu = {name: round(used, 1) for name, used in at_start.items()}
    return {
        "up_s": round(up_s, 1),
        "up_cpu_s": round(up_cpu_s, 1),
        "steps_s": steps,
        "up_cpu_by_process_s": cpu,
        "load_before": round(load_before, 1),
    } | found


def _all_cpu_s(supervisor: int) -> float:
    """User and system seconds of this process, the supervisor, and all that it started, also what has ended."""
    own, total = resource.getrusage(resource.RUSAGE_SELF), 0.0
    for process in (psutil.Process(supervisor), *psutil.Process(supervisor).children(recursive=True)):
        times = process.cpu_times()
        total += times.user + times.system
        if process.pid == supervisor:
            total += times.children_user + times.children_system
    return total + own.ru_utime + own.ru_stime


def _first_minutes(
    kafka: str, redis: str, prefix: str, rate: int, seconds: float, processes: dict[str, int]
) -> dict[str, Any]:
    """Latencies of all events and of each quarter of a minute, CPU by process, and the busiest threads of the TaskManager."""
    worker = processes["taskmanager-1"]
    before, threads = cpu_seconds(processes), thread_seconds(worker)
    command = (sys.executable, "-m", "benchmarks.starting", "--load", kafka, "--prefix", prefix)
    sizes = ("--rate", str(rate), "--seconds", str(seconds))
    done = subprocess.run(
        (*command, *sizes), env={**os.environ, URL_VARIABLE: redis}, capture_output=True, text=True, check=True
    )
    used = difference(before, cpu_seconds(processes))
    busy = list(busiest(threads, thread_seconds(worker)))[:12]
    return {**json.loads(done.stdout), "cpu_s": used, "threads_s": {name: round(s, 2) for name, s in busy}}


def send_load(kafka: str, prefix: str, rate: int, seconds: float) -> dict[str, Any]:
    """Send the catalogue and then shoppers' events, from another process than the one that measures CPU."""
    producer = KafkaProducer(bootstrap_servers=kafka)
    for key, value in catalogue():
        producer.send("products", value, key.encode())
    producer.close()
    load = Load(kafka, os.environ[URL_VARIABLE], prefix, rate, seed=1)
    load.start()
    slices: list[list[float]] = []
    for _ in range(round(seconds / SLICE_S)):
        time.sleep(SLICE_S)
        slices.append(load.drain_latencies())
    load.close()
    return figures(slices, load.unanswered_now) | {"rate": rate, "seconds": seconds, "sent": load.sent}


def figures(slices: list[list[float]], missing: int) -> dict[str, Any]:
    """Percentiles in ms, over all and by slice."""
    every = [latency for some in slices for latency in some]
    return {
        **_percentiles(every),
        "events": len(every),
        "missing": missing,
        "by_slice": [_percentiles(some) for some in slices],
    }


def _percentiles(latencies_s: list[float]) -> dict[str, float]:
    if not latencies_s:
        return {}
    found = np.percentile(np.array(latencies_s) * 1_000, list(QUANTILES.values()))
    return {name: round(float(value), 1) for name, value in zip(QUANTILES, found, strict=True)}


def main() -> None:
    """Measure, and print a line for each round."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starting", description=__doc__)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--rate", type=int, default=RATE)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--load", metavar="KAFKA", help=argparse.SUPPRESS)
    parser.add_argument("--prefix", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.load:
        print(json.dumps(send_load(options.load, options.prefix, options.rate, options.seconds)))
        return
    for _ in range(options.rounds):
        print(json.dumps(measure(options.rate, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
