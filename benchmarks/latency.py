"""Click to Redis under open-loop load: from when an event was due to be sent until its profile can be read.

Latency counts from the time at which the event was due, not from when the sender got round to it, so a stall of the sender or of
the broker shows in every event that it delayed (coordinated omission).
"""

import threading
import time
from typing import Any

import msgspec
import numpy as np
import redis
from kafka import KafkaProducer

from benchmarks.stack import Stack

SESSIONS_PER_RATE = 20
"""Sessions for each event per second: a session acts every 20 seconds."""
SETTLE_S = 5.0


def measure(stack: Stack, rate: int, seconds: float, run: int, warm_up_seconds: float = 10.0) -> dict[str, float]:
    """Latencies in ms over `seconds` at `rate` events per second, after a warm-up that is not counted.

    `run` keeps the sessions of one measurement apart from those of another.
    """
    total = int(rate * (seconds + warm_up_seconds))
    seen = _Announcements(stack)
    seen.start()
    due = np.zeros(total)
    _send(stack, rate, run, due)
    seen.stop_after(SETTLE_S)
    first = int(rate * warm_up_seconds)
    arrived = np.array(
        [seen.at.get(_name(i, rate, run), {}).get(i // (rate * SESSIONS_PER_RATE) + 1, np.nan) for i in range(total)]
    )
    latencies = (arrived - due)[first:] * 1_000
    missing = int(np.isnan(latencies).sum())
    latencies = latencies[~np.isnan(latencies)]
    quantiles = np.percentile(latencies, [50, 95, 99, 99.9]) if len(latencies) else [float("nan")] * 4
    names = ("p50", "p95", "p99", "p999")
    return {name: round(float(value), 1) for name, value in zip(names, quantiles, strict=True)} | {
        "max": round(float(latencies.max()), 1) if len(latencies) else float("nan"),
        "events": float(len(latencies)),
        "missing": float(missing),
    }


def _name(index: int, rate: int, run: int) -> str:
    return f"latency-{run}-{rate}-{index % (rate * SESSIONS_PER_RATE)}"


def _send(stack: Stack, rate: int, run: int, due: "np.ndarray[Any, np.dtype[np.float64]]") -> None:
    producer = KafkaProducer(bootstrap_servers=stack.kafka, linger_ms=0, acks=1)
    topic = stack.settings.kafka.topics.user_interactions
    begin = time.time() + 0.5
    for index in range(len(due)):
        due[index] = begin + index / rate
        pause = due[index] - time.time()
        if pause > 0:
            time.sleep(pause)
        session = _name(index, rate, run)
        event = {
            "session_id": session,
            "event_id": f"{run}-{rate}-{index}",
            "event_type": "product_view",
            "timestamp": int(due[index] * 1_000),
            "product_id": f"product-{index % 997}",
            "category_id": f"category-{index % 97}",
        }
        producer.send(topic, key=session.encode(), value=msgspec.json.encode(event))
    producer.flush()
    producer.close()


class _Announcements(threading.Thread):
    """When each version of each session's profile was announced; a later version also answers for the ones that it replaced."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(daemon=True)
        self._listener = redis.Redis.from_url(stack.redis).pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        self._listener.subscribe(f"{stack.settings.redis.prefix}:profile-updated")
        self._deadline: float | None = None
        self.at: dict[str, dict[int, float]] = {}

    def run(self) -> None:
        while self._deadline is None or time.time() < self._deadline:
            message = self._listener.get_message(timeout=0.2)
            if message is None or not isinstance(message["data"], bytes):
                continue
            now = time.time()
            update = msgspec.json.decode(message["data"])
            versions = self.at.setdefault(update["session_id"], {})
            for version in range(update["version"], 0, -1):
                if version in versions:
                    break
                versions[version] = now

    def stop_after(self, seconds: float) -> None:
        """Listens for so long, then ends."""
        self._deadline = time.time() + seconds
        self.join()
        self._listener.close()
