"""The circuit breaker before Redis: after failures in a row it is left alone, then probed by one read at a time."""

import enum
from collections.abc import Callable

from serving.reader.settings import ReaderSettings


class BreakerState(enum.StrEnum):
    """State of the breaker. Closed: all reads go through. Open: none. Half-open: one has gone through as a probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """A counter of failures of calls of Redis, with its clock in seconds.

    Attributes:
        state: see `BreakerState`.
        is_slow: Redis does answer, only later than `slow_ms`.
    """

    def __init__(
        self, settings: ReaderSettings, clock_s: Callable[[], float], count: Callable[[str, int], None]
    ) -> None:
        self._failures = settings.failures
        self._first_rest_s = settings.first_rest_ms / 1_000
        self._longest_rest_s = settings.longest_rest_ms / 1_000
        self._clock_s = clock_s
        self._count = count
        self._in_a_row = 0
        self._rest_s = self._first_rest_s
        self._until_s = 0.0
        self.state = BreakerState.CLOSED
        self.is_slow = False

    def allow(self) -> bool:
        """Say whether a read may go to Redis now. One that may while it is open is a probe; the next one may after another rest."""
        if self.state == BreakerState.CLOSED:
            return True
        now_s = self._clock_s()
        if now_s < self._until_s:
            return False
        self.state = BreakerState.HALF_OPEN
        self._until_s = now_s + self._rest_s
        return True

    def succeed(self) -> None:
        """Note that a call was answered in time."""
        self._in_a_row = 0
        self.is_slow = False
        if self.state != BreakerState.CLOSED:
            self.state = BreakerState.CLOSED
            self._rest_s = self._first_rest_s
            self._count("breaker_closed", 1)

    def answer_late(self) -> None:
        """Note that a call that had counted as a failure was answered after all."""
        self.is_slow = True

    def fail(self) -> None:
        """Note that a call was refused, or is not answered in time."""
        self._in_a_row += 1
        if self.state == BreakerState.HALF_OPEN:
            self._rest_s = min(2 * self._rest_s, self._longest_rest_s)
            self._open()
        elif self.state == BreakerState.CLOSED and self._in_a_row >= self._failures:
            self._count("breaker_opened", 1)
            self._open()

    def lose(self) -> None:
        """Note that the connection is gone: what is known of slowness is void."""
        self.is_slow = False

    def _open(self) -> None:
        self.state = BreakerState.OPEN
        self._until_s = self._clock_s() + self._rest_s
