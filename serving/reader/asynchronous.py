"""The reader for programs with an event loop."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import redis.asyncio as redis

from operators.redis.cluster.address import cluster_address, is_cluster
from serving.reader.answer import Answer, ProfileRequest
from serving.reader.batching import BatchingStore
from serving.reader.chain import Behind, Chain, Clock, Fetch, Outcome, Pause, ignore_count
from serving.reader.cluster.asynchronous import ClusterBatchingStore
from serving.reader.cluster.nodes import AsyncNodes
from serving.reader.notices import Notice, NoticeBoard
from serving.reader.settings import ReaderSettings

UNNAMED: dict[str, Any] = {"lib_name": None, "lib_version": None}
"""No `CLIENT SETINFO` with each connection, which few users may."""


class AsyncProfileReader:
    """A reader of profiles within a budget; it belongs to one event loop. Close it, or use it as an asynchronous context manager.

    Args:
        url: of Redis, as redis-py has it, or `redis+cluster://host:port,host:port`; nothing is connected before the first read.
        settings: see `ReaderSettings`.
        password: of Redis, if the URL has none.
        notices: the worker's board. Waiting reads are woken by it, and late profiles are announced on it.
        count: is called with a name and a number for what is worth a metric.
    """

    def __init__(
        self,
        url: str,
        settings: ReaderSettings | None = None,
        *,
        password: str | None = None,
        notices: NoticeBoard | None = None,
        count: Callable[[str, int], None] = ignore_count,
        clock: Clock | None = None,
    ) -> None:
        self._notices = NoticeBoard() if notices is None else notices
        self._clock = clock or Clock()
        self.chain = Chain(settings or ReaderSettings(), self._clock, count, self._notices.publish)
        if is_cluster(url):
            give_up_s = self.chain.settings.give_up_ms / 1_000
            options = {"socket_timeout": give_up_s, "socket_connect_timeout": give_up_s, **UNNAMED}
            nodes = AsyncNodes(cluster_address(url), password, **options)
            self._store: BatchingStore | ClusterBatchingStore = ClusterBatchingStore(self.chain, nodes)
        else:
            pool = redis.ConnectionPool.from_url(url, **UNNAMED, **_login(password))
            self._store = BatchingStore(self.chain, pool)

    @property
    def has_open_breaker(self) -> bool:
        """Whether Redis, or a node of the cluster, is left alone."""
        return self._store.has_open_breaker

    async def read(
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
        request = ProfileRequest(session_id, region, limit, min_version, since_ms, wait_ms, budget_ms)
        return await self.answer(request)

    async def answer(self, request: ProfileRequest) -> Answer:
        """Read for a request that is put together already."""
        if request.waits:
            return await self._answer_woken(request)
        return await self._run(request, None)

    def last_resort(self, request: ProfileRequest) -> Answer:
        """Return the static list, for callers in whose own code something failed."""
        return self.chain.last_resort(request)

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session, as after an erasure."""
        self.chain.forget(session_id)

    async def close(self) -> None:
        """End the connection."""
        await self._store.close()
        self.chain.static.wait()

    async def _answer_woken(self, request: ProfileRequest) -> Answer:
        """Listen from before the first read on, so that no notice falls in between."""
        written = asyncio.Event()

        def wake(_: Notice) -> None:
            written.set()

        end = self._notices.listen(request.session_id, wake)
        try:
            return await self._run(request, written)
        finally:
            end()

    async def _run(self, request: ProfileRequest, written: asyncio.Event | None) -> Answer:
        steps = self.chain.read(request)
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                answer: Answer = end.value
                return answer
            outcome = None
            if isinstance(step, Fetch):
                outcome = await self._store.fetch(step.keys, step.until_s)
            elif isinstance(step, Behind):
                self._store.read_behind(step.keys)
            elif written is not None:
                await self._pause(step, written)

    async def _pause(self, step: Pause, written: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(max(0.0, step.until_s - self._clock.monotonic_s())):
                await written.wait()
        except TimeoutError:
            pass
        written.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _login(password: str | None) -> dict[str, str]:
    return {} if password is None else {"password": password}
