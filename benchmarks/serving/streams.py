"""Open streams on one worker: push latency, memory per stream, processor time.

python -m benchmarks.serving.streams [--streams 10000] [--rate 500] [--seconds 30] [--kind sse|ws] [--out FILE]

Starts a Redis and the server, opens the streams from a process of their own, and writes profiles as the job does, each of a
random session. Latency is from just before a profile's write to its notification in the client's process.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import redis

from benchmarks.machine import machine
from benchmarks.serving.stream_clients import session_of
from tests.redis_server import redis_server
from tests.serving.live_server import LiveServer, live_server
from tests.serving.push.published import publish

SETTLE_S = 2.0


class Clients:
    """The process that holds the streams."""

    def __init__(self, process: "subprocess.Popen[str]", file: Path) -> None:
        self._process = process
        self._file = file
        assert process.stdout is not None
        assert process.stdin is not None
        self._out, self._in = process.stdout, process.stdin
        self.opened_s = float(self._out.readline().split()[1])

    def finish(self) -> dict[str, Any]:
        """End the streams, and return what came."""
        self._in.close()
        self._process.wait()
        came: dict[str, Any] = json.loads(self._file.read_text())
        return came


@contextmanager
def clients(server: LiveServer, streams: int, kind: str) -> Iterator[Clients]:
    """Open the streams."""
    file = server.log.with_name("came.json")
    module = "benchmarks.serving.stream_clients"
    command = [sys.executable, "-m", module, server.host, str(server.port), str(streams), kind, str(file)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Clients(process, file)
    finally:
        process.kill()
        process.wait()


def write_profiles(shop: redis.Redis, streams: int, rate: float, seconds: float) -> dict[str, int]:
    """Write profiles evenly spaced; the newest version of each session."""
    rng = random.Random(1)  # the same sessions in each run
    newest: dict[str, int] = {}
    begun = time.monotonic()
    for number in range(int(rate * seconds)):
        pause_s = begun + number / rate - time.monotonic()
        if pause_s > 0:
            time.sleep(pause_s)
        session_id, version = session_of(rng.randrange(streams)), time.time_ns() // 1_000
        publish(shop, session_id, version, updated_at_ms=version // 1_000)
        newest[session_id] = version
    return newest


def measure(streams: int, rate: float, seconds: float, kind: str) -> dict[str, Any]:
    """Run it once."""
    with tempfile.TemporaryDirectory(prefix="heliotrope-streams-") as folder, redis_server() as place:
        shop = place.start()
        serving = {"streams": {"max": streams, "max_sockets": streams}, "max_connections": streams + 2_000}
        with live_server(Path(folder), redis={"url": place.url}, serving=serving) as server:
            worker = psutil.Process(server.workers()[0])
            before = worker.memory_info().rss
            with clients(server, streams, kind) as held:
                time.sleep(SETTLE_S)
                opened = worker.memory_info().rss
                cpu, begun = sum(worker.cpu_times()[:2]), time.monotonic()
                newest = write_profiles(shop, streams, rate, seconds)
                took_s = time.monotonic() - begun
                cpu = (sum(worker.cpu_times()[:2]) - cpu) / took_s
                time.sleep(SETTLE_S)
                after = worker.memory_info().rss
                came = held.finish()
                opened_s = held.opened_s
    taken_ms = np.array(came["taken_us"] or [0]) / 1_000
    missing = [session for session, version in newest.items() if came["newest"].get(session) != version]
    return {
        "kind": kind,
        "streams": streams,
        "answers": came["answers"],
        "updates_per_second": round(int(rate * seconds) / took_s, 1),
        "notifications": len(came["taken_us"]),
        "sessions_without_their_newest": len(missing),
        "keep_alives": came["beats"],
        "latency_ms": {
            f"p{share:g}": round(float(np.percentile(taken_ms, share)), 2) for share in (50, 90, 99, 99.9, 100)
        },
        "opened_in_s": opened_s,
        "worker_share_of_a_core": round(cpu, 3),
        "worker_kib_before": before // 1_024,
        "kib_per_stream": round((opened - before) / streams / 1_024, 2),
        "kib_per_stream_at_the_end": round((after - before) / streams / 1_024, 2),
    }


def main() -> None:
    """Run as the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--kind", choices=["sse", "ws"], default="sse")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures = measure(options.streams, options.rate, options.seconds, options.kind)
    text = json.dumps({"machine": machine(), **figures}, indent=2)
    print(text)
    if options.out is not None:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
