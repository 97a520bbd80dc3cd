"""Click to Redis under open-loop load: from when an event was due to be sent until its profile can be read.

Latency counts from the time at which the event was due, not from when the sender got round to it, so a stall of the sender or of
the broker shows in every event that it delayed (coordinated omission). An event whose profile had not come by the end counts with
the time until then, which is less than its true latency: it is in the upper percentiles rather than left out.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.cpu import cpu_seconds, difference
from benchmarks.listener import REDIS_VARIABLE, announcements
from benchmarks.lists import await_catalogue
from benchmarks.load import expected_versions, planned
from benchmarks.stack import Stack
from benchmarks.traffic import PRODUCTS, Traffic

SETTLE_S = 5.0
ENCODING_S = 10e-6
"""To encode one event beforehand."""
START_S = 3.0
Times = NDArray[np.float64]


def start_job(stack: Stack, topic: str, task_managers: int) -> None:
    """Starts the job on a topic of its own, and returns once it knows the catalogue, which must be loaded."""
    stack.start_job(f"kafka.topics.user_interactions={topic}", f"flink.parallelism={task_managers}")
    await_catalogue(stack, PRODUCTS)


def measure(
    stack: Stack, topic: str, rate: int, seconds: float, warm_up_s: float, seed: int, *, lasting: bool = False
) -> dict[str, Any]:
    """Latencies in ms over `seconds` at `rate` events per second, after a warm-up that is not counted.

    `seed` keeps the sessions of one measurement apart from those of another; `lasting` as in `planned`.
    """
    whole_s = warm_up_s + seconds
    begin = time.time() + START_S + rate * whole_s * ENCODING_S
    events, due = planned(rate, whole_s, seed, begin, lasting=lasting)
    with tempfile.TemporaryDirectory(prefix="heliotrope-bench-") as folder:
        file = Path(folder) / "announcements"
        with _listener(stack, file) as listener:
            before = cpu_seconds(stack.processes)
            sender = _send(stack, topic, rate, whole_s, seed, begin, lasting)
            time.sleep(SETTLE_S)
            used, end = difference(before, cpu_seconds(stack.processes)), time.time()
        heard = file.read_bytes()
    arrived = arrivals(events, announcements(heard))
    counted = due >= begin + warm_up_s
    return summary((arrived - due)[counted], (end - due)[counted]) | {
        "rate": rate,
        "seconds": seconds,
        "lasting_sessions": lasting,
        "sender": sender,
        "listener": listener,
        "cpu_s": used,
    }


def arrivals(events: Traffic, heard: Iterable[tuple[float, str, int]]) -> Times:
    """When each event's profile was announced; a later version also answers for those that it replaced. NaN: not at all."""
    first: dict[str, dict[int, float]] = {}
    for when, session, version in heard:
        versions = first.setdefault(session, {})
        for earlier in range(version, 0, -1):
            if earlier in versions:
                break
            versions[earlier] = when
    return np.array([first.get(session, {}).get(version, np.nan) for session, version in expected_versions(events)])


def summary(latencies_s: Times, waited_s: Times) -> dict[str, float]:
    """Percentiles in ms; what has not arrived counts with how long was waited for it."""
    missing = np.isnan(latencies_s)
    all_ms = np.where(missing, waited_s, latencies_s) * 1_000
    quantiles = np.percentile(all_ms, [50, 95, 99, 99.9])
    named = dict(zip(("p50", "p95", "p99", "p999"), (round(float(value), 1) for value in quantiles), strict=True))
    return named | {"max": round(float(all_ms.max()), 1), "events": len(all_ms), "missing": int(missing.sum())}


def _send(
    stack: Stack, topic: str, rate: int, seconds: float, seed: int, begin: float, lasting: bool
) -> dict[str, float]:
    where = ("--kafka", stack.kafka, "--topic", topic, "--partitions", str(stack.settings.kafka.partitions))
    what = ("--rate", str(rate), "--seconds", str(seconds), "--seed", str(seed), "--begin", str(begin))
    command = (sys.executable, "-m", "benchmarks.load", *where, *what, *(["--lasting"] if lasting else []))
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))


@contextmanager
def _listener(stack: Stack, file: Path) -> Iterator[dict[str, float]]:
    """A listener that hears all; what it says of itself is there afterwards."""
    channel = f"{stack.settings.redis.prefix}:profile-updated"
    command = (
        sys.executable,
        "-m",
        "benchmarks.listener",
        "--channel",
        channel,
        "--file",
        str(file),
    )
    environment = {**os.environ, REDIS_VARIABLE: stack.redis}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    process.stdout.readline()
    said: dict[str, float] = {}
    try:
        yield said
    finally:
        out, _ = process.communicate()
        said.update(json.loads(out))
