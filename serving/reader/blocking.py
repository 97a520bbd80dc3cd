"""Reading by threads that wait: a few connections, each call bounded in time by itself, whatever the other side does."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from hiredis import ProtocolError
from redis.exceptions import RedisError

from serving.reader.answer import Reason
from serving.reader.breaker import CircuitBreaker
from serving.reader.chain import Chain, Outcome, Settled
from serving.reader.wire import MORE, answers, mget, values_of

READ_BYTES = 65_536
MOST_CONNECTIONS = 32
"""On their way at once, and kept; more threads than these get an answer from elsewhere."""
LEAST_TIMEOUT_S = 0.001


class Connections(Protocol):
    """Maker of connections; redis-py's pool is one."""

    def make_connection(self) -> Any:
        """Return a connection that is not connected yet."""


class BlockingStore:
    """Connections for one process. It settles in the chain whatever comes, and feeds its circuit breaker. Threads may share it.

    A connection is made by a thread of its own: connecting and logging in take several round trips, and a caller waits no longer
    than its budget.
    """

    def __init__(
        self, chain: Chain, pool: Connections, lock: threading.Lock, breaker: CircuitBreaker | None = None
    ) -> None:
        self._chain = chain
        self._breaker = breaker or chain.breaker
        self._clock_s = chain.clock.monotonic_s
        self._pool = pool
        self._lock = lock
        self._idle: deque[Any] = deque()
        self._is_free = threading.Condition(lock)
        self._open = 0
        self._is_closed = False

    def fetch(self, keys: tuple[str, ...], until_s: float) -> Outcome:
        """Return what the keys hold, or why it is not known by `until_s`."""
        asked_s = self._clock_s()
        with self._lock:
            if not self._breaker.allow():
                return Reason.BREAKER_OPEN
            if self._is_closed:
                return Reason.REDIS_AWAY
        connection = self._take(until_s)
        if isinstance(connection, Reason):
            return self._fail(connection, asked_s)
        values = self._read(connection, keys, until_s)
        self._give_back(connection, is_usable=not isinstance(values, Reason) or values == Reason.REDIS_ERROR)
        if isinstance(values, Reason):
            return self._fail(values, asked_s)
        with self._lock:
            self._breaker.succeed()
            return [self._settle(key, value) for key, value in zip(keys, values, strict=True)]

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            self._is_closed = True
            idle = list(self._idle)
            self._idle.clear()
        for connection in idle:
            connection.disconnect()

    def _read(self, connection: Any, keys: tuple[str, ...], until_s: float) -> Sequence[Any] | Reason:
        """Return what stands under keys, or why it is not known. After REDIS_ERROR the connection is of use still."""
        answers = self._answers(connection, mget(keys), 1, until_s)
        return answers if isinstance(answers, Reason) else values_of(answers[0], len(keys))

    def _settle(self, key: str, value: Any) -> Settled:
        return self._chain.settle(key, value)

    def _answers(self, connection: Any, commands: bytes, count: int, until_s: float) -> list[Any] | Reason:
        return _ask(connection, commands, count, until_s, self._clock_s)

    def _take(self, until_s: float) -> Any:
        """Return a connection, or why there is none."""
        with self._lock:
            if not self._idle:
                if self._open >= MOST_CONNECTIONS:
                    return Reason.OVERLOADED
                self._open += 1
                outcome: list[Reason] = []
                threading.Thread(target=self._connect, args=(outcome,), name="profile-reader", daemon=True).start()
                while not self._idle and not outcome:
                    left_s = until_s - self._clock_s()
                    if left_s <= 0 or not self._is_free.wait(left_s):
                        break
                if not self._idle:
                    return outcome[0] if outcome else Reason.REDIS_SLOW
            return self._idle.pop()

    def _connect(self, outcome: list[Reason]) -> None:
        """Make a connection for whoever waits first."""
        try:
            connection: Any = self._pool.make_connection()
            connection.connect()
        except (RedisError, OSError):
            with self._lock:
                self._open -= 1
                outcome.append(Reason.REDIS_AWAY)
                self._chain.count("connections_refused", 1)
                self._is_free.notify_all()
            return
        self._give_back(connection, is_usable=True)

    def _give_back(self, connection: Any, is_usable: bool) -> None:
        with self._lock:
            if is_usable and not self._is_closed:
                self._idle.append(connection)
                self._is_free.notify()
                return
            self._open -= 1
        connection.disconnect()

    def _fail(self, reason: Reason, asked_s: float) -> Reason:
        """Say a failure to the circuit breaker, unless the budget was too short to say anything of Redis."""
        slow_s = self._chain.settings.slow_ms / 1_000
        with self._lock:
            if reason == Reason.REDIS_ERROR:
                self._chain.count("redis_errors", 1)
            if reason != Reason.OVERLOADED and (
                reason != Reason.REDIS_SLOW or self._clock_s() - asked_s >= slow_s * 0.9
            ):
                self._breaker.fail()
        return reason


def _ask(
    connection: Any, commands: bytes, count: int, until_s: float, clock_s: Callable[[], float]
) -> list[Any] | Reason:
    """Return so many answers, or why they are not there by `until_s`: each step has only the time that is left."""
    sock, parser, found = connection._sock, answers(), []
    try:
        sock.settimeout(max(LEAST_TIMEOUT_S, until_s - clock_s()))
        sock.sendall(commands)
        while True:
            while (answer := parser.gets()) is not MORE:
                found.append(answer)
            if len(found) >= count:
                return found
            left_s = until_s - clock_s()
            if left_s <= 0:
                return Reason.REDIS_SLOW
            sock.settimeout(left_s)
            data = sock.recv(READ_BYTES)
            if not data:
                return Reason.REDIS_AWAY
            parser.feed(data)
    except TimeoutError:
        return Reason.REDIS_SLOW
    except (OSError, ProtocolError):
        return Reason.REDIS_AWAY
