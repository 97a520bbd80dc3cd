"""Reading for many at once: the keys of one tick of the event loop are one MGET, and MGETs follow each other without waiting."""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

import redis.asyncio as redis
from hiredis import ProtocolError
from redis.exceptions import RedisError

from serving.reader.answer import Reason
from serving.reader.breaker import BreakerState, CircuitBreaker
from serving.reader.chain import Chain, Outcome, Settled
from serving.reader.settings import BATCH_KEYS
from serving.reader.wire import MORE, answers, mget, values_of

MOST_IN_FLIGHT = 64
"""MGETs on their way. While so many are, keys wait for the next one."""
MOST_FULL = 64
"""MGETs that wait to be sent. While so many do, no further read is taken in."""
MOST_BEHIND = 1_000
"""Keys on their way of which nobody waits for the answer."""
HEARTBEAT_S = 0.02
LATE_TIMER_S = 0.005
GRACE_S = 0.002
"""A timer that is this late says more of the event loop than of Redis: what has arrived meanwhile is looked at first."""


class Batch:
    """Keys of one MGET, the reads that wait for it, and what came of it."""

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.waiters: list[asyncio.Future[Reason | None]] = []
        self.found: dict[str, Settled] = {}
        self.behind: tuple[str, ...] = ()
        self.sent_s = 0.0
        self.is_late = False

    def end(self, reason: Reason | None) -> None:
        """End the wait of those who wait: with the reason why nothing was found, or None."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(reason)
        self.waiters.clear()


class _Arrivals(asyncio.Protocol):
    """Receiver of what comes from Redis, without a task or a stream in between."""

    def __init__(self, store: "BatchingStore") -> None:
        self._store = store
        self._parser = answers()

    def data_received(self, data: bytes) -> None:
        """Take in what has arrived, and hand on each complete answer."""
        self._parser.feed(data)
        while (answer := self._next()) is not MORE:
            if not self._store.arrive(answer):
                self._store.lose(self)
                return

    def _next(self) -> Any:
        try:
            return self._parser.gets()
        except ProtocolError as error:  # no Redis says this, so nothing is known of what follows
            return error

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what is on its way: the other side is gone."""
        self._store.lose(self)


class BatchingStore:
    """Connection to Redis for one event loop. It settles in the chain whatever comes, and feeds its circuit breaker."""

    def __init__(self, chain: Chain, pool: redis.ConnectionPool, breaker: CircuitBreaker | None = None) -> None:
        self._chain = chain
        self._breaker = breaker or chain.breaker
        self._pool = pool
        self._clock_s = chain.clock.monotonic_s
        self._slow_s = chain.settings.slow_ms / 1_000
        self._give_up_s = chain.settings.give_up_ms / 1_000
        self._lag_s = chain.settings.lag_ms / 1_000
        self._next = Batch()
        self._full: deque[Batch] = deque()
        self._is_planned = False
        self._in_flight: deque[Batch] = deque()
        self._behind: set[str] = set()
        self._connection: Any = None
        self._arrivals: _Arrivals | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._heartbeat: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def has_open_breaker(self) -> bool:
        """Whether Redis is left alone."""
        return self._breaker.state != BreakerState.CLOSED

    async def fetch(self, keys: tuple[str, ...], until_s: float) -> Outcome:
        """Return what the keys hold, or why it is not known by `until_s`."""
        if not self._breaker.allow():
            return Reason.BREAKER_OPEN
        batch = self._join(keys)
        if batch is None:
            return Reason.OVERLOADED
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Reason | None] = loop.create_future()
        batch.waiters.append(waiter)
        left_s = until_s - self._clock_s()
        timer = loop.call_later(max(0.0, left_s), self._expire, waiter, batch, self._clock_s(), loop.time() + left_s)
        try:
            reason = await waiter
        finally:
            timer.cancel()
        return reason or [batch.found.get(key) for key in keys]

    def read_behind(self, keys: Iterable[str]) -> None:
        """Read keys for which nobody waits, those that are on their way already only once."""
        new = tuple(key for key in keys if key not in self._behind)
        if new and len(self._behind) + len(new) <= MOST_BEHIND:
            batch = self._join(new)
            if batch is not None:
                self._behind.update(new)
                batch.behind += new

    async def close(self) -> None:
        """End what runs; who waits gets an answer from elsewhere."""
        self._is_closed = True
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        self.lose()

    def arrive(self, answer: Any) -> bool:
        """Take in the answer to the oldest MGET; return False if it is none, so that the connection is of no use."""
        if not self._in_flight or isinstance(answer, ProtocolError):
            return False
        batch = self._in_flight[0]
        values = self._values(batch, answer)
        if values is None:
            return True
        self._in_flight.popleft()
        self._end_behind(batch)
        if isinstance(values, Reason):
            self._chain.count("redis_errors", 1)
            self._breaker.fail()
            batch.end(values)
            return True
        self._settle(batch, values)
        self._judge(batch)
        batch.end(None)
        if self._full or self._next.keys:
            self._plan()
        return True

    def _command(self, keys: Iterable[str]) -> bytes:
        """Return what is sent to read keys."""
        return mget(keys)

    def _values(self, batch: Batch, answer: Any) -> Sequence[Any] | Reason | None:
        """Return what the keys hold, or that it is not known; None while more answers are to come."""
        return values_of(answer, len(batch.keys))

    def _settle(self, batch: Batch, values: Sequence[Any]) -> None:
        settle = self._chain.settle
        for key, raw in zip(batch.keys, values, strict=True):
            batch.found[key] = settle(key, raw)

    def lose(self, arrivals: _Arrivals | None = None) -> None:
        """Give the connection up, and with it the answers that are still to come."""
        if arrivals is not None and arrivals is not self._arrivals:
            return
        connection, self._connection, self._arrivals = self._connection, None, None
        if connection is not None:
            connection._writer.transport.abort()
            self._breaker.lose()
            if not self._is_closed:
                self._chain.count("connections_lost", 1)
        lost = [*self._in_flight, *self._full, self._next]
        self._in_flight.clear()
        self._full.clear()
        self._next = Batch()
        if connection is not None or lost[-1].keys:
            self._breaker.fail()
        for batch in lost:
            self._end_behind(batch)
            batch.end(Reason.REDIS_AWAY)

    def _join(self, keys: tuple[str, ...]) -> Batch | None:
        """Add keys to the next MGET; return None if too many wait."""
        if self._is_closed or len(self._full) >= MOST_FULL:
            return None
        batch = self._next
        if len(batch.keys) >= BATCH_KEYS:
            self._full.append(batch)
            batch = self._next = Batch()
        for key in keys:
            batch.keys[key] = None
        self._plan()
        return batch

    def _plan(self) -> None:
        if not self._is_planned:
            self._is_planned = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self._send)
            if self._heartbeat is None:
                self._heartbeat = loop.call_later(HEARTBEAT_S, self._beat, loop.time() + HEARTBEAT_S)

    def _send(self) -> None:
        """Send what waits, once there is a connection; no more than fits on the way."""
        self._is_planned = False
        if self._connection is None:
            if self._next.keys and self._connecting is None and not self._is_closed:
                self._connecting = asyncio.get_running_loop().create_task(self._connect())
            return
        while len(self._in_flight) < MOST_IN_FLIGHT:
            if self._full:
                batch = self._full.popleft()
            elif self._next.keys:
                batch, self._next = self._next, Batch()
            else:
                break
            batch.sent_s = self._clock_s()
            self._in_flight.append(batch)
            self._connection._writer.transport.write(self._command(batch.keys))
            self._chain.count("batches", 1)
            self._chain.count("batched_keys", len(batch.keys))

    async def _connect(self) -> None:
        """Connect, log in and choose the database as redis-py does; then the connection's bytes come straight here."""
        connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            async with asyncio.timeout(self._give_up_s):
                await connection.connect()
            self._arrivals = _Arrivals(self)
            connection._writer.transport.set_protocol(self._arrivals)
            self._connection = connection
        except (RedisError, OSError, TimeoutError):
            self._chain.count("connections_refused", 1)
            self.lose()
            await connection.disconnect(nowait=True)
        finally:
            self._connecting = None
        if self._full or self._next.keys:
            self._plan()

    def _judge(self, batch: Batch) -> None:
        """Say to the circuit breaker what an answer says of Redis."""
        if batch.is_late or self._clock_s() - batch.sent_s > self._slow_s:
            self._find_late(batch)
            self._breaker.answer_late()
            self._chain.count("late_batches", 1)
        else:
            self._breaker.succeed()

    def _find_late(self, batch: Batch) -> None:
        if not batch.is_late:
            batch.is_late = True
            self._breaker.fail()

    def _expire(self, waiter: asyncio.Future[Reason | None], batch: Batch, asked_s: float, due_s: float) -> None:
        """Answer one whose time is over."""
        if waiter.done():
            return
        loop = asyncio.get_running_loop()
        if loop.time() - due_s > LATE_TIMER_S:
            loop.call_later(GRACE_S, self._expire, waiter, batch, asked_s, float("inf"))
            return
        now_s = self._clock_s()
        if batch.sent_s and now_s - batch.sent_s >= self._slow_s:
            self._find_late(batch)
        elif self._connection is None and now_s - asked_s >= self._slow_s:
            self._breaker.fail()
        waiter.set_result(Reason.REDIS_SLOW)

    def _beat(self, due_s: float) -> None:
        """Look now and then how late this loop is, and how long Redis has been silent."""
        loop = asyncio.get_running_loop()
        lag_s = loop.time() - due_s
        self._chain.is_pressed = lag_s > self._lag_s
        if self._in_flight:
            silent_s = self._clock_s() - self._in_flight[0].sent_s
            if silent_s > self._give_up_s:
                self.lose()
            elif silent_s > self._slow_s + lag_s + LATE_TIMER_S:
                self._find_late(self._in_flight[0])
        self._heartbeat = loop.call_later(HEARTBEAT_S, self._beat, loop.time() + HEARTBEAT_S)

    def _end_behind(self, batch: Batch) -> None:
        self._behind.difference_update(batch.behind)
