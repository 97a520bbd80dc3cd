"""What is bought and viewed together: counts by shard, and lists of partners by product."""

from collections.abc import Iterator, Sequence
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.task import begin_task, next_tick_ms, wall_clock_ms
from state.configuration import Together
from state.together.periods import read_chunk
from state.together.shard import Lists, Shard

LIST_TYPE = Types.ROW_NAMED(
    ["key", "value"], [Types.PRIMITIVE_ARRAY(Types.BYTE()), Types.PRIMITIVE_ARRAY(Types.BYTE())]
)
"""Row(key, value): a list of partners, None where there is none any more."""
PUBLISH_INTERVAL_MS, PUBLISH_AFTER_MS = 5_000, 2_500
"""A product's list is handed on at most so often, and not at full minutes, when windows end."""
LISTS_AT_ONCE, SLICE_MS = 100, 100
"""Lists that are made in one call, and how soon the next ones follow: meanwhile visitors wait for the interpreter."""


class TogetherOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard (`kind/number/of`); input: the lines of what was accepted in a gather; output: lists that changed.

    A shard's head is a value, its products' rows and the chunks of what to forget are maps. Lists are made on a processing-time
    timer, which is set while any may have changed, and else waits for the end of the period. What is pending when it comes is a
    round, of which some are done at a time.
    """

    def __init__(self, settings: Together, build_id: str) -> None:
        self._settings = settings
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the shard's state."""
        begin_task(self._build_id)
        self._head = runtime_context.get_state(ValueStateDescriptor("head", Types.PICKLED_BYTE_ARRAY()))
        self._rows, self._chunks = (
            runtime_context.get_map_state(MapStateDescriptor(name, Types.STRING(), Types.PICKLED_BYTE_ARRAY()))
            for name in ("rows", "chunks")
        )
        self._counters = Counters(runtime_context.get_metrics_group(), "together")
        self._shards: dict[str, Shard] = {}

    def process_element(self, value: Sequence[str], ctx: Any) -> None:
        """Count what was gathered."""
        now_ms, shard = wall_clock_ms(), self._load(ctx)
        was_idle = not shard.pending
        lines, left_out = shard.allowance.allocate(value, now_ms)
        tally = shard.tally(lines, now_ms)
        products_left_out = shard.leave_out(tally, self._hold(shard, tally.singles))
        rows, chunks = shard.add(tally, now_ms)
        self._store(shard, rows, chunks)
        if was_idle and shard.pending:
            ctx.timer_service().register_processing_time_timer(next_tick_ms(PUBLISH_INTERVAL_MS, PUBLISH_AFTER_MS))
        ctx.timer_service().register_processing_time_timer(shard.next_period_ms(now_ms))
        self._counters.add("together_lines_counted", len(lines))
        self._counters.add("together_lines_unreadable", tally.unreadable)
        self._counters.add("together_pairs_left_out", left_out)
        self._counters.add("together_products_left_out", products_left_out)
        self._counters.flush()

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Hand on the lists that changed, and forget what was not seen for long, a chunk at a time."""
        now_ms, shard = wall_clock_ms(), self._load(ctx)
        chunks = shard.roll(now_ms)
        lists, rows = self._some_lists(shard, ctx)
        ended = [] if shard.left else self._sweep(shard, chunks, now_ms)
        self._store(shard, rows, chunks)
        if not shard.left and (shard.due_chunk(now_ms) is not None or shard.pending):
            ctx.timer_service().register_processing_time_timer(next_tick_ms(PUBLISH_INTERVAL_MS, PUBLISH_AFTER_MS))
        if shard.is_empty:
            self._head.clear()
            del self._shards[ctx.get_current_key()]
        else:
            ctx.timer_service().register_processing_time_timer(shard.next_period_ms(now_ms))
        self._counters.add("together_lists_published", len(lists))
        self._counters.add("together_lists_ended", len(ended))
        self._counters.flush()
        for key, partners in (*lists, *ended):
            yield Row(key, partners)

    def _some_lists(self, shard: Shard, ctx: Any) -> tuple[Lists, dict[str, bytes]]:
        """The next lists of the round, and the rows to store; more of them follow soon where the round is not over."""
        pending = shard.pending
        left = shard.left or len(pending)
        now = min(left, LISTS_AT_ONCE)
        self._hold(shard, pending[:now])
        shard.left = left - now
        if shard.left:
            ctx.timer_service().register_processing_time_timer(next_tick_ms(SLICE_MS))
        return shard.lists(now)

    def _sweep(self, shard: Shard, chunks: dict[str, bytes], now_ms: int) -> Lists:
        name = shard.due_chunk(now_ms)
        if name is None:
            return []
        data = chunks.pop(name, None) or self._chunks.get(name)
        products = read_chunk(data) if data is not None else []
        self._hold(shard, products)
        ended, gone = shard.sweep(name, products)
        for product in gone:
            self._rows.remove(product)
        self._chunks.remove(name)
        return ended

    def _hold(self, shard: Shard, products: Any) -> list[str]:
        """Brings rows into memory; returns the products that have none in state."""
        new = []
        for product in shard.missing(products):
            data = self._rows.get(product)
            shard.hold(product, data)
            if data is None:
                new.append(product)
        return new

    def _store(self, shard: Shard, rows: dict[str, bytes], chunks: dict[str, bytes]) -> None:
        if rows:
            self._rows.put_all(rows)  # one by one, each would give up the interpreter
        if chunks:
            self._chunks.put_all(chunks)
        self._head.update(shard.encode())
        shard.trim()

    def _load(self, ctx: Any) -> Shard:
        name = ctx.get_current_key()
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards[name] = Shard.open(name, self._head.value(), self._settings)
        return shard
