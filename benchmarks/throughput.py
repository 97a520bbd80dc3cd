"""How fast one preloaded topic goes through the whole job, through the engine's floor, and through the plain loop.

A run is counted from the end of a lead of warm-up events, in which the JVM compiles, to the last event or to a limit of time.
Counts are the session operator's `events_applied` and the floor's `numRecordsIn`. Slates are counted from outside, as the
profiles that Redis was told of: a slate that is scored and replaced before it is written does not count.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import redis

from benchmarks import floor
from benchmarks.cpu import cpu_seconds, difference
from benchmarks.listener import REDIS_VARIABLE
from benchmarks.lists import await_catalogue
from benchmarks.preload import load_catalogue, preload
from benchmarks.stack import Stack
from benchmarks.traffic import PRODUCTS, SPAN_MS, messages, traffic
from benchmarks.window import watch
from operators.names import SESSION

TOPIC = "throughput"
RATE = 2_000
"""Events/s that the topic is taken to have come at, see `as_if_live`."""
SLIDES = 60
"""Of popularity's window, as by default."""
LONGEST_SLIDE_S = 7 * 86_400 // SLIDES
"""A window may have a week at most; with so long a slide none ends within a topic's span."""
APPLIED = "events_applied"
FLOOR = Path(floor.__file__)


class Load(NamedTuple):
    """A preloaded topic: how many events it has, how many of them come first as warm-up, and for how long to count."""

    topic: str
    events: int
    lead: int
    longest_s: float


def prepare(stack: Stack, load: Load, seed: int = 0, sessions: int | None = None) -> int:
    """Loads the catalogue and the topic; returns how many sessions the events have."""
    settings = stack.settings_with(_topic(load))
    events = traffic(load.events, int(time.time() * 1_000) - SPAN_MS, seed, sessions=sessions)
    stack.create_topics(settings)
    load_catalogue(stack)
    preload(stack, load.topic, messages(events))
    return len(set(events.sessions.tolist()))


def as_if_live(load: Load) -> tuple[str, str]:
    """Settings under which popularity's windows end as often, per event, as in a shop of `RATE` events/s.

    The topic's events are spread over hours as a small shop's are, and go through the job many times faster: a slide of a minute
    would end every few seconds, with few events in it.
    """
    slide_s = min(round(60 * RATE * SPAN_MS / 1_000 / load.events), LONGEST_SLIDE_S)
    return f"popularity.slide={slide_s} s", f"popularity.window={SLIDES * slide_s} s"


def run_job(stack: Stack, load: Load, parallelism: int, *sets: str) -> dict[str, Any]:
    """The whole job on the topic, everything on."""
    stack.forget_profiles()
    client = redis.Redis.from_url(stack.redis)
    stack.start_job(_topic(load), f"flink.parallelism={parallelism}", *as_if_live(load), *sets)
    await_catalogue(stack, PRODUCTS)
    progress = stack.progress(SESSION, APPLIED)
    result = watch_run(stack, load, progress, parallelism, lambda: published(client))
    result["profiles_with_items"] = _share_with_items(client, stack.settings.redis.prefix)
    result["checkpoint"] = stack.last_checkpoint()
    stack.stop_job()
    return result


def run_floor(stack: Stack, load: Load, parallelism: int) -> dict[str, Any]:
    """The engine's floor on the topic."""
    stack.start_job(_topic(load), f"flink.parallelism={parallelism}", entry=FLOOR)
    result = watch_run(stack, load, stack.progress(floor.OPERATOR), parallelism, lambda: 0)
    stack.stop_job()
    return result


def run_plain(stack: Stack, load: Load, events: int) -> dict[str, Any]:
    """The plain loop on the first `events` of the topic, after a lead of a tenth."""
    stack.forget_profiles()
    where = ("--kafka", stack.kafka, "--topic", load.topic)
    counts = ("--events", str(events), "--lead", str(events // 10))
    command = (sys.executable, "-m", "benchmarks.plain_loop", *where, *counts)
    environment = {**os.environ, REDIS_VARIABLE: stack.redis}
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout))


def _topic(load: Load) -> str:
    return f"kafka.topics.user_interactions={load.topic}"


def watch_run(
    stack: Stack, load: Load, progress: Callable[[], int], parallelism: int, slates: Callable[[], int]
) -> dict[str, Any]:
    """What `progress` and `slates` count while the load goes through the running job."""

    def mark() -> tuple[dict[str, float], int]:
        return cpu_seconds(stack.processes), slates()

    window = watch(progress, load.lead, load.events, load.longest_s, mark)
    (cpu_before, slates_before), (cpu_after, slates_after) = window.before, window.after
    cpu = _of_workers(difference(cpu_before, cpu_after), parallelism)
    return {
        "task_managers": parallelism,
        "events": window.events,
        "seconds": round(window.seconds, 3),
        "complete": window.complete,
        "events_per_second": window.events / window.seconds,
        "slates_per_event": (slates_after - slates_before) / window.events,
        "cpu_s": cpu,
        "events_per_cpu_second": window.events / sum(cpu.values()),
    }


def _of_workers(cpu: dict[str, float], parallelism: int) -> dict[str, float]:
    """Without the TaskManagers that had no part of the job."""
    workers = sorted((name for name in cpu if name.startswith("taskmanager")), key=cpu.__getitem__)
    for name in workers[: len(workers) - parallelism]:
        del cpu[name]
    return cpu


def published(client: redis.Redis) -> int:
    """Profiles written since Redis began: each write is announced by one PUBLISH."""
    stats: dict[str, Any] = client.info("commandstats")  # type: ignore[assignment]
    return int(stats.get("cmdstat_publish", {}).get("calls", 0))


def _share_with_items(client: redis.Redis, prefix: str) -> float:
    """Of a sample of profiles, how many have a list: without a catalogue a slate would cost nothing."""
    keys: list[bytes] = []
    while len(keys) < 200:
        key = client.randomkey()
        if isinstance(key, bytes) and key.startswith(f"{prefix}:profile:".encode()):
            keys.append(key)
    profiles = [json.loads(value) for value in client.mget(keys) if isinstance(value, bytes)]  # type: ignore[union-attr]
    return sum(bool(profile["score_data"]) for profile in profiles) / len(profiles)
