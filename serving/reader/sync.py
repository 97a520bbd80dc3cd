"""The reader for programs of threads."""

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import redis

from operators.redis.cluster.address import cluster_address, is_cluster
from operators.redis.cluster.nodes import ClusterNodes
from serving.reader.answer import Answer, ProfileRequest
from serving.reader.blocking import BlockingStore
from serving.reader.chain import Chain, Clock, Fetch, Outcome, Pause, ignore_count
from serving.reader.cluster.blocking import ClusterBlockingStore
from serving.reader.settings import ReaderSettings


class ProfileReader:
    """A reader of profiles within a budget; threads may share it, and a process that was forked connects anew.

    Close it, or use it as a context manager.

    Args:
        url: of Redis, as redis-py has it, or `redis+cluster://host:port,host:port`; nothing is connected before the first read.
        settings: see `ReaderSettings`.
        password: of Redis, if the URL has none.
        count: is called with a name and a number for what is worth a metric, by any thread.
    """

    def __init__(
        self,
        url: str,
        settings: ReaderSettings | None = None,
        *,
        password: str | None = None,
        count: Callable[[str, int], None] = ignore_count,
        pause: Callable[[float], None] = time.sleep,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings or ReaderSettings()
        self._count = count
        self._pause = pause
        self._clock = clock or Clock()
        give_up_s = self._settings.give_up_ms / 1_000
        self._connections = _connections(url, password, give_up_s)
        self._start()

    def read(
        self,
        session_id: str,
        *,
        region: str = "",
        limit: int | None = None,
        min_version: int | None = None,
        since_ms: int | None = None,
        wait_ms: int | None = None,
        budget_ms: int | None = None,
    ) -> Answer:
        """Return the session's profile, or the best that there is instead; never raise for Redis. See docs/delivery.md."""
        if self._process != os.getpid():
            self._start()
        request = ProfileRequest(session_id, region, limit, min_version, since_ms, wait_ms, budget_ms)
        steps = self.chain.read(request)
        outcome: Outcome = None
        while True:
            try:
                with self._lock:
                    step = steps.send(outcome)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            outcome = None
            if isinstance(step, Fetch):
                outcome = self._store.fetch(step.keys, step.until_s)
            elif isinstance(step, Pause):
                self._pause(max(0.0, step.until_s - self._clock.monotonic_s()))

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session, as after an erasure."""
        with self._lock:
            self.chain.forget(session_id)

    def close(self) -> None:
        """End the connections."""
        self._store.close()
        self.chain.static.wait()

    def _start(self) -> None:
        """Begin with nothing kept and no connection: those of the process that was forked are its own."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self.chain = Chain(self._settings, self._clock, self._count)
        if isinstance(self._connections, ClusterNodes):
            self._store: BlockingStore | ClusterBlockingStore = ClusterBlockingStore(
                self.chain, self._connections, self._lock
            )
        else:
            self._store = BlockingStore(self.chain, self._connections, self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _connections(url: str, password: str | None, timeout_s: float) -> redis.ConnectionPool | ClusterNodes:
    if is_cluster(url):
        return ClusterNodes(cluster_address(url), password, timeout_s, lib_name=None, lib_version=None)
    login = {} if password is None else {"password": password}
    options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "lib_name": None, "lib_version": None}
    return redis.ConnectionPool.from_url(url, **options, **login)
