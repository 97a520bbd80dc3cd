"""What an operator tells of its overload: gauges, a counter, a line in the log at each change."""

from typing import Any

import structlog

from operators.counters import Counters
from state.choosing.overload import Level, Overload

logger = structlog.get_logger()


class OverloadReport:
    """Feed of the overload rule with records, and while it is above normal with a timer, so that it ends in a silence too."""

    def __init__(self, overload: Overload, counters: Counters, recover_after_ms: int) -> None:
        self._overload = overload
        self._counters = counters
        self._recover_after_ms = recover_after_ms
        self._shown = Level.NORMAL
        self._timer_ms = 0
        counters.show("overload_level", Level.NORMAL)
        counters.show("event_lag_ms", 0)

    def observe(self, record_ms: int, now_ms: int, ctx: Any) -> None:
        """Observe that a record of that Kafka time has come in."""
        if self._overload.observe(record_ms, now_ms):
            self._report(now_ms, ctx)

    def on_timer(self, timestamp: int, now_ms: int, ctx: Any) -> None:
        """Look for a silence, if the processing-time timer that fired is the report's own."""
        if self._timer_ms and timestamp >= self._timer_ms:
            self._timer_ms = 0
            self._overload.pass_time(now_ms)
            self._report(now_ms, ctx)

    def _report(self, now_ms: int, ctx: Any) -> None:
        level, lag_ms = self._overload.level, self._overload.lag_ms
        self._counters.show("event_lag_ms", lag_ms)
        if level != self._shown:
            logger.warning("overload changed", level=level.name, before=self._shown.name, lag_ms=lag_ms)
            self._counters.show("overload_level", level)
            self._counters.add("overload_entered", int(level > self._shown))
            self._counters.flush()
            self._shown = level
        if level and not self._timer_ms:
            self._timer_ms = now_ms + self._recover_after_ms
            ctx.timer_service().register_processing_time_timer(self._timer_ms)
