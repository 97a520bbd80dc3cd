"""Tracked batches a second: `POST /v1/track` with 10 events each, answered after acks=all.

python -m benchmarks.serving.collection [--seconds 10] [--runs 5] [--connections 32] [--workers 1] [--rate N] [--out FILE]

Starts a broker, a Redis and the server; the requests come from a process of their own over connections that stay open. With
`--rate` so many batches a second are due, and latency counts from when each was due (open loop); without it each connection
sends one after the other. Prints the medians of the runs, and what of the processors each took.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from benchmarks.machine import machine
from tests.kafka_server import KafkaServer, kafka_server
from tests.redis_server import redis_server
from tests.serving.live_server import LiveServer, live_server


def until_ready(server: LiveServer) -> None:
    """Wait until Kafka answers the server."""
    for _ in range(600):
        try:
            with urlopen(f"{server.address}/readyz", timeout=5):  # noqa: S310  # our own server
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"the server is not ready, see {server.log}")


def processor_s(pids: list[int]) -> float:
    """Return the processor time that processes have taken."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(one.user + one.system for one in times)


def one_run(server: LiveServer, kafka: KafkaServer, options: argparse.Namespace) -> dict[str, Any]:
    """Send for a while, and hold what was answered 202 against the topic."""
    before, workers = kafka.ends(), server.workers()
    used_s = processor_s(workers)
    command = [sys.executable, "-m", "benchmarks.serving.batch_clients", server.host, str(server.port)]
    command += [str(options.connections), str(options.seconds), str(options.rate)]
    client = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(client.stdout)
    found["worker_us_for_a_batch"] = (processor_s(workers) - used_s) / max(1, found["batches"]) * 1e6
    arrived = sum(kafka.ends().values()) - sum(before.values())
    found["missing"] = found["accepted"] - arrived
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, redis_server() as redis, kafka_server(Path(folder)) as kafka:
        redis.start()
        sections: dict[str, dict[str, Any]] = {
            "kafka": {"bootstrap": kafka.bootstrap},
            "redis": {"url": redis.url},
            "serving": {"workers": options.workers},
        }
        with live_server(Path(folder), **sections) as server:
            until_ready(server)
            runs = [one_run(server, kafka, options) for _ in range(options.runs)]
    medians = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    result = {"machine": machine(), "options": vars(options) | {"out": None}, "medians": medians, "runs": runs}
    for name, value in medians.items():
        print(f"{name:>24} {value:>12,}")
    if options.out:
        options.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
