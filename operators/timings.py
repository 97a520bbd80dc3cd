"""How long things take, as histograms: PyFlink has none, so they are counters by bucket, as Prometheus has them."""

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from operators.task import wall_clock_ms

FLUSH_MS = 1_000
"""Each counter is a call into the JVM, and a histogram has a dozen."""
CLICK_BOUNDS_MS = (20, 40, 60, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000)
"""The first is no less than what an answer of Redis waits until it is read."""
CALL_BOUNDS_US = (200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 1_000_000)


class Histogram:
    """Counters `<name>_bucket` with the label `le`, each of all values not above its bound, and `<name>_sum`."""

    def __init__(self, group: Any, name: str, bounds: Sequence[int]) -> None:
        labels = (*map(str, bounds), "+Inf")
        self._counters = [group.add_group("le", label).counter(f"{name}_bucket") for label in labels]
        self._sum_counter = group.counter(f"{name}_sum")
        self._bounds = bounds
        self._pending = [0] * len(labels)
        self._sum = 0

    def observe(self, *values: int) -> None:
        """Take values in; negative ones, which differing clocks make, count as 0."""
        pending, bounds = self._pending, self._bounds
        for value in values:
            pending[bisect_left(bounds, value)] += 1
            if value > 0:
                self._sum += value

    def flush(self) -> None:
        """Hand on what came since the last time."""
        for counter, by in zip(self._counters, accumulate(self._pending), strict=True):
            if by:
                counter.inc(by)
        self._sum_counter.inc(self._sum)
        self._pending = [0] * len(self._pending)
        self._sum = 0


class Timings:
    """The session operator's histograms, handed on once in `FLUSH_MS`, and soon after the last of what they count."""

    def __init__(self, group: Any) -> None:
        self._clicks = Histogram(group, "click_to_redis_ms", CLICK_BOUNDS_MS)
        self._calls = Histogram(group, "call_us", CALL_BOUNDS_US)
        self._is_pending = False
        self._flushed_ms = 0
        self._timer_ms = 0
        self._waiting: dict[str, int] = {}

    def clicked(self, session_id: str, record_ms: int) -> None:
        """Note that an event of that Kafka time is applied; the oldest that no profile holds is the one that counts."""
        self._waiting.setdefault(session_id, record_ms)

    def is_published(self, session_id: str) -> int:
        """End the wait of a session's events for their profile; return since when they waited, 0 where none did."""
        return self._waiting.pop(session_id, 0)

    def acknowledged(self, clicked_ms: Iterable[int]) -> None:
        """Note that Redis has written the profiles that hold events of these Kafka times."""
        now_ms = wall_clock_ms()
        self._clicks.observe(*[now_ms - record_ms for record_ms in clicked_ms])
        self._is_pending = True

    def called(self, began_s: float) -> None:
        """Note the end of a call of the operator that began then, by `time.perf_counter`."""
        self._calls.observe(int(1e6 * (time.perf_counter() - began_s)))
        self._is_pending = True

    def flush(self, now_ms: int, timers: Any) -> None:
        """Hand on what is pending, now or by a timer."""
        if not self._is_pending:
            return
        if 0 <= now_ms - self._flushed_ms < FLUSH_MS:
            if not now_ms < self._timer_ms <= now_ms + FLUSH_MS:
                self._timer_ms = self._flushed_ms + FLUSH_MS
                timers.register_processing_time_timer(self._timer_ms)
            return
        self._flushed_ms = now_ms
        self.close()

    def close(self) -> None:
        """Hand on what is pending."""
        self._clicks.flush()
        self._calls.flush()
        self._is_pending = False
