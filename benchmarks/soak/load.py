"""Sends the crowd's events at a constant rate, and hears when each profile came."""

import json
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any

import redis
from kafka import KafkaProducer

from benchmarks.soak.crowd import Crowd, Profile

WAITING_MOST = 20_000
"""Events whose profile is waited for; the oldest beyond count as not answered."""


class Load(threading.Thread):
    """Sends `rate` events a second until `close`. An event that is due while another is sent goes out as soon as it can, and its
    latency counts from when it was due."""

    def __init__(self, kafka: str, url: str, prefix: str, rate: int, seed: int) -> None:
        super().__init__(daemon=True, name="soak-load")
        self._producer = KafkaProducer(bootstrap_servers=kafka, linger_ms=1, reconnect_backoff_max_ms=1_000)
        self._redis = redis.Redis.from_url(url, socket_timeout=5)
        self._prefix, self._rate = prefix, rate
        self._crowd = Crowd(seed, self._look, format(int(time.time()), "x"))
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._waiting: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._first: dict[str, int] = {}
        self._latencies: list[float] = []
        self.sent = self.unanswered = 0
        self._ears = threading.Thread(target=self._listen, daemon=True, name="soak-ears")

    def run(self) -> None:
        """Sends."""
        self._ears.start()
        begin = time.time()
        number = 0
        while not self._ended.is_set():
            due = begin + number / self._rate
            pause = due - time.time()
            if pause > 0 and self._ended.wait(pause):
                break
            session, value, version = self._crowd.next(int(due * 1_000))
            if version:
                self._await(session, version, due)
            self._producer.send("user_interactions", value, session.encode())
            number += 1
            self.sent = number

    def drain_latencies(self) -> list[float]:
        """In seconds, of those whose profile came since the last call."""
        with self._lock:
            taken, self._latencies = self._latencies, []
        return taken

    @property
    def unanswered_now(self) -> int:
        """Of the events sent those whose profile has not come."""
        with self._lock:
            return self.unanswered + len(self._waiting)

    def close(self) -> None:
        """Ends both threads."""
        self._ended.set()
        self.join()
        self._ears.join(5)
        self._producer.close(30)
        self._redis.close()

    def _look(self, session: str) -> Profile:
        with suppress(redis.RedisError):
            value: Any = self._redis.get(f"{self._prefix}:profile:{session}")
            return None if value is None else dict(json.loads(value))
        return None

    def _await(self, session: str, version: int, due: float) -> None:
        with self._lock:
            self._waiting[session, version] = due
            self._first.setdefault(session, version)
            if len(self._waiting) > WAITING_MOST:
                (gone, _), _ = self._waiting.popitem(last=False)
                self._first.pop(gone, None)
                self.unanswered += 1

    def _listen(self) -> None:
        """A version answers for all of its session's up to it."""
        client: Any = self._redis
        with client.pubsub(ignore_subscribe_messages=True) as ears:
            ears.subscribe(f"{self._prefix}:profile-updated")
            while not self._ended.is_set():
                message = None
                with suppress(redis.RedisError):
                    message = ears.get_message(timeout=0.5)
                if message is not None:
                    update = json.loads(message["data"])
                    self._answer(update["session_id"], int(update["version"]), time.time())

    def _answer(self, session: str, version: int, now: float) -> None:
        with self._lock:
            for earlier in range(self._first.pop(session, version + 1), version + 1):
                due = self._waiting.pop((session, earlier), None)
                if due is not None:
                    self._latencies.append(now - due)
            later = next((v for v in range(version + 1, version + 4) if (session, v) in self._waiting), None)
            if later is not None:
                self._first[session] = later
