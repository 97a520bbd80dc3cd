"""A steady few sessions, and how long each of their events waited for its profile: what a fault costs visitors."""

import itertools
import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import redis
from kafka import KafkaProducer
from kafka.errors import KafkaError

SESSIONS = 8
"""So that every partition and every bucket has one."""
TICK_S = 0.05


class Outage(NamedTuple):
    """The longest time in which nobody got a profile, and the longest that one event waited for its own; in seconds."""

    without_profiles_s: float
    longest_wait_s: float


class Pulse(threading.Thread):
    """Sends an event of one of its sessions every 50 ms and watches Redis for the profile that knows it.

    Its sessions begin with an impression of a list that never was, so they count as telling what they see: they see nothing,
    and teach nothing.
    """

    def __init__(self, kafka: str, url: str) -> None:
        super().__init__(daemon=True, name="pulse")
        self._producer = KafkaProducer(
            bootstrap_servers=kafka, max_block_ms=1_000, reconnect_backoff_max_ms=500, delivery_timeout_ms=600_000
        )
        self._redis = redis.Redis.from_url(url, socket_timeout=0.5, socket_connect_timeout=0.5)
        self._ended = threading.Event()
        self._paused = threading.Event()
        self._lock = threading.Lock()
        name = uuid.uuid4().hex[:8]
        self.sessions = [f"pulse-{name}-{number}" for number in range(SESSIONS)]
        self._sent: dict[str, list[float]] = {session: [] for session in self.sessions}
        self._answered = dict.fromkeys(self.sessions, 0)
        self._waits: list[tuple[float, float]] = []

    def run(self) -> None:
        """Beats until `close`."""
        for session in self.sessions:
            self._send(session, {"event_type": "impression", "decision_id": "none", "shown": ["nothing"]})
        number = 0
        while not self._ended.wait(TICK_S):
            if not self._paused.is_set():
                self._send(self.sessions[number % SESSIONS], {"event_type": "search", "query": "pulse"})
                number += 1
            self._look()

    def outage(self, since: float) -> Outage:
        """What was waited for since then, a time of the monotonic clock; events that still wait count with their wait so far."""
        now = time.monotonic()
        with self._lock:
            waits = [(sent, answered) for sent, answered in self._waits if answered >= since]
            open_since = [
                times[self._answered[name]] for name, times in self._sent.items() if self._answered[name] < len(times)
            ]
        waits += [(sent, now) for sent in open_since]
        answers = sorted({since, now, *(answered for _, answered in waits)})
        gaps = [later - earlier for earlier, later in itertools.pairwise(answers)]
        longest = max((answered - sent for sent, answered in waits), default=0.0)
        return Outage(round(max(gaps, default=0.0), 1), round(longest, 1))

    def is_served(self) -> bool:
        """Whether no event waits for longer than a second."""
        now = time.monotonic()
        with self._lock:
            return all(
                self._answered[name] == len(times) or now - times[self._answered[name]] < 1.0
                for name, times in self._sent.items()
            )

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Sends nothing meanwhile."""
        self._paused.set()
        try:
            self._producer.flush(60)
            yield
        finally:
            self._paused.clear()

    def close(self) -> None:
        """Ends the beat; what was sent is in the topic then."""
        self._ended.set()
        self.join()
        self._producer.flush(60)
        self._producer.close(10)
        self._redis.close()

    def _send(self, session: str, fields: dict[str, Any]) -> None:
        """A full buffer or a broker that is away for the metadata: nothing was sent, and nothing is waited for."""
        event = {"session_id": session, "timestamp": time.time_ns() // 1_000_000, "event_id": uuid.uuid4().hex} | fields
        with suppress(KafkaError):
            self._producer.send("user_interactions", json.dumps(event).encode(), session.encode())
            with self._lock:
                self._sent[session].append(time.monotonic())

    def _look(self) -> None:
        with suppress(redis.RedisError):
            values: Any = self._redis.mget([f"heliotrope:profile:{session}" for session in self.sessions])
            now = time.monotonic()
            with self._lock:
                for session, value in zip(self.sessions, values, strict=True):
                    if value is not None:
                        self._note(session, int(json.loads(value)["version"]), now)

    def _note(self, session: str, version: int, now: float) -> None:
        """A version answers for all events up to it."""
        known = self._answered[session]
        version = min(version, len(self._sent[session]))
        if version > known:
            self._waits += [(sent, now) for sent in self._sent[session][known:version]]
            self._answered[session] = version
