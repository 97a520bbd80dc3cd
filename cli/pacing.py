"""Open-loop pacing: each event has a time to be sent that does not depend on how long the ones before it took."""

import time
from collections.abc import Callable

LONGEST_SLEEP_S = 0.2  # so that Ctrl-C and progress are prompt


class Pacer:
    """Pacer that waits until an offset from its first use.

    Args:
        clock: seconds, monotonic.
        sleep: waits for seconds.
        idle: called during long waits, for progress.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._idle = idle
        self._start: float | None = None

    def wait_until(self, offset_s: float) -> None:
        """Return once `offset_s` seconds have passed since the first call; at once if they already have."""
        if self._start is None:
            self._start = self._clock()
        while (left_s := self._start + offset_s - self._clock()) > 0:
            self._sleep(min(left_s, LONGEST_SLEEP_S))
            if left_s > LONGEST_SLEEP_S:
                self._idle()


class RatePacer:
    """The n-th call of `step` returns no earlier than n / rate seconds after the first; a rate of None never waits."""

    def __init__(self, rate: float | None, pacer: Pacer | None = None) -> None:
        self._rate = rate
        self._pacer = pacer if pacer is not None else Pacer()
        self._steps = 0

    def step(self) -> None:
        """Wait for the next event's turn."""
        if self._rate is not None:
            self._pacer.wait_until(self._steps / self._rate)
            self._steps += 1
