"""What is popular and trending: from the windows that SQL counted to lists in Redis and for the session operators."""

from collections.abc import Callable, Iterator
from heapq import nsmallest
from typing import Any

import structlog
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.names import MOMENTS_KEY
from operators.redis.writers import REDIS, Writers
from operators.task import begin_task
from state.configuration import Settings
from state.popularity.baseline import Baseline
from state.popularity.listing import Listing, listing, popular_json
from state.popularity.moments import Moments
from state.popularity.names import MOMENT, is_region
from state.popularity.trends import trends
from state.popularity.window import Counted, read_lists, read_moments

logger = structlog.get_logger()

_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
LIST_TYPE = Types.ROW_NAMED(["key", "value"], [_BYTES, _BYTES])
"""Row(key, value): a list and its name; the value is None for a list that ended."""
MOST_LISTS = 2_000
"""Lists of a shard whose past is kept: region names come from visitors."""
END_OF_TIME_MS = 2**63 - 1
"""Flink's last watermark, of a source that has come to its end."""
KEPT_HALF_LIVES = 3
KEPT_WINDOWS = 10
"""A list's past is forgotten after so many half-lives of its baseline without a count, and not before so many windows."""


class PopularityOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard of the lists' names; input: the text of all its lists in a window. Under `MOMENTS_KEY` comes how often
    categories were viewed at moments. See `state/popularity/window.py` and `jobs/streams/popularity.py`.
    """

    def __init__(
        self, settings: Settings, password: Callable[[], str | None], build_id: str, writers: Writers = REDIS
    ) -> None:
        self._settings = settings
        self._writers = writers
        self._popularity = settings.popularity
        self._password = password
        self._build_id = build_id
        half_life_ms, window_ms = self._popularity.baseline_half_life_ms, self._popularity.window_ms
        self._kept_ms = max(KEPT_HALF_LIVES * half_life_ms, KEPT_WINDOWS * window_ms)

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the state; Redis is connected to with the first write."""
        begin_task(self._build_id)
        baselines = MapStateDescriptor("baselines", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._baselines = runtime_context.get_map_state(baselines)
        self._moments = runtime_context.get_state(ValueStateDescriptor("moments", Types.PICKLED_BYTE_ARRAY()))
        self._counters = Counters(runtime_context.get_metrics_group(), "popularity")
        self._writer = self._writers.lists(self._settings, self._password(), self._counters.add)

    def close(self) -> None:
        """Give Redis up."""
        if hasattr(self, "_writer"):
            self._writer.close()
            self._counters.flush()

    def process_element(self, value: str, ctx: Any) -> Iterator[Row]:
        """Yield a window of the shard's lists, or of all moments."""
        if ctx.get_current_key() == MOMENTS_KEY:
            yield from self._count_moments(value)
            return
        end_ms, lists = read_lists(value)
        is_whole = end_ms % self._popularity.window_ms == 0
        folded: dict[str, bytes] = {}
        listed: list[tuple[str, Listing]] = []
        for name, counted in lists.items():
            baseline = self._baseline(name) if is_whole or is_region(name) else None
            found = trends(counted, baseline, self._popularity) if is_region(name) else []
            if is_whole:
                folded[name] = self._fold(name, baseline or Baseline(), end_ms, counted)
            listed.append((name, listing(end_ms, self._popularity.window_ms, counted, found, self._popularity.top)))
        if folded:
            self._baselines.put_all(folded)
            self._wake_after(end_ms, ctx)
        self._writer.write([(name, popular_json(name, found)) for name, found in listed if is_region(name)])
        self._counters.add("popular_lists", len(listed))
        self._counters.flush()
        yield from (Row(name.encode(), found.encode()) for name, found in listed)

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Forget, between two whole windows, the past of lists that are over or are too many, and end them."""
        known = [(Baseline.decode(data), name) for name, data in self._baselines.items()]
        gone = {name for baseline, name in known if baseline.folded_ms + self._kept_ms <= timestamp}
        lasting = [(baseline.total, name) for baseline, name in known if name not in gone]
        gone.update(name for _, name in nsmallest(len(lasting) - MOST_LISTS, lasting))
        for name in sorted(gone):
            self._baselines.remove(name)
            yield Row(name.encode(), None)
        if len(known) > len(gone):
            self._wake_after(max(timestamp, ctx.timer_service().current_watermark()), ctx)
        self._counters.add("popular_lists_ended", len(gone))
        self._counters.flush()

    def _wake_after(self, reached_ms: int, ctx: Any) -> None:
        """Sets the timer of a shard between the next two whole windows; event time may be decades ahead of a first event."""
        window_ms = self._popularity.window_ms
        passed_ms = (
            reached_ms - window_ms // 2
        ) % window_ms  # since it was due last: all timers of a shard are to be one
        if reached_ms < END_OF_TIME_MS:
            ctx.timer_service().register_event_time_timer(reached_ms - passed_ms + window_ms)

    def _baseline(self, name: str) -> Baseline | None:
        data = self._baselines.get(name)
        return None if data is None else Baseline.decode(data)

    def _fold(self, name: str, baseline: Baseline, end_ms: int, counted: Counted) -> bytes:
        """The baseline with a whole window more; where trends need none, only how much was counted and when."""
        popularity = self._popularity
        needs_past = is_region(name) and popularity.trend == "rise"
        baseline.fold(
            end_ms,
            counted.total,
            counted.products if needs_past else (),
            window_ms=popularity.window_ms,
            half_life_ms=popularity.baseline_half_life_ms,
            tracked=popularity.tracked,
        )
        return baseline.encode()

    def _count_moments(self, text: str) -> Iterator[Row]:
        end_ms, views = read_moments(text)
        moments = Moments.decode(self._moments.value())
        gone = moments.add(end_ms, views, self._popularity.moments_half_life_ms)
        self._moments.update(moments.encode())
        self._counters.add("moments_ended", len(gone))
        self._counters.flush()
        for name in sorted(views.keys() - gone):
            yield Row((MOMENT + name).encode(), moments.moments[name].encode())
        for name in gone:
            yield Row((MOMENT + name).encode(), None)
