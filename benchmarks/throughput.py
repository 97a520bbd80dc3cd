"""How fast a preloaded topic goes through the whole job, from its first profile to its last event."""

import time
from collections.abc import Iterable
from typing import Any

import msgspec
import redis
from kafka import KafkaProducer

from benchmarks.stack import Stack
from cli.stack.flink_rest import FlinkRest

POLL_S = 0.25
LONGEST_S = 1_800.0


def preload(stack: Stack, topic: str, events: Iterable[dict[str, Any]]) -> int:
    """Writes events into the topic; returns how many."""
    producer = KafkaProducer(bootstrap_servers=stack.kafka, linger_ms=20, batch_size=262_144)
    count = 0
    for event in events:
        producer.send(topic, key=event["session_id"].encode(), value=msgspec.json.encode(event))
        count += 1
    producer.flush()
    producer.close()
    return count


def processed(stack: Stack) -> int:
    """Inputs that the job has accounted for, by its own counters."""
    names = ("events_applied", "events_duplicate", "events_dropped", "events_late")
    return sum(FlinkRest(stack.flink).counter(stack.job_id, "session", name) for name in names)


def drain(stack: Stack, expected: int) -> dict[str, float]:
    """Waits until `expected` inputs are accounted for in the profiles; events per second from the first to the last."""
    client = redis.Redis.from_url(stack.redis)
    begun: float | None = None
    first = 0
    limit = time.monotonic() + LONGEST_S
    while time.monotonic() < limit:
        done = processed(stack)
        now = time.monotonic()
        if begun is None and done:
            begun, first = now, done
        if done >= expected and begun is not None:
            seconds = now - begun
            return {
                "events_per_second": (expected - first) / seconds,
                "seconds": seconds,
                "profiles": float(str(client.dbsize())),
            }
        time.sleep(POLL_S)
    raise TimeoutError(f"only {processed(stack)} of {expected} events in {LONGEST_S} s")
