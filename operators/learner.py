"""The bandit's learner: sums by shard, handed on in short intervals."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.task import begin_task, next_tick_ms, wall_clock_ms
from state.configuration import Bandit
from state.feature_set import DIMENSION
from state.learner import LearnerShard
from state.model_input import encode_update
from state.sums import Example

UPDATE_TYPE = Types.ROW([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
"""Row(model, update)."""

_messages: msgspec.msgpack.Decoder[list[Example] | dict[str, list[float]]] = msgspec.msgpack.Decoder(
    list[Example] | dict[str, list[float]]
)


class LearnerOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard (`model/number`); input: examples, or rewards to watch by variant, in msgpack; output: updates, at most one
    per shard and interval.

    `models` are the settings to learn with, by the key of the statistics. A shard lives in memory and, change by change, in
    state: a value for its sums, a map for the products that wait to be handed on.
    """

    def __init__(self, models: Mapping[str, Bandit], publish_interval_ms: int, build_id: str) -> None:
        self._models = models
        self._interval_ms = publish_interval_ms // 2
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Finds the shard's state."""
        begin_task(self._build_id)
        self._shard = runtime_context.get_state(ValueStateDescriptor("shard", Types.PICKLED_BYTE_ARRAY()))
        pending = MapStateDescriptor("pending", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._pending = runtime_context.get_map_state(pending)
        self._counters = Counters(runtime_context.get_metrics_group())
        self._waiting: set[str] = set()
        self._shards: dict[str, LearnerShard] = {}

    def process_element(self, value: bytes, ctx: Any) -> None:
        """Learns, and sets the timer that hands it on."""
        message = _messages.decode(value)
        name = ctx.get_current_key()
        shard = self._load(name)
        if isinstance(message, dict):
            shard.watches.add(message)
        else:
            self._learn(shard, message)
        self._shard.update(shard.encode(pending=False))
        if name not in self._waiting:
            self._waiting.add(name)
            ctx.timer_service().register_processing_time_timer(next_tick_ms(self._interval_ms))

    def _learn(self, shard: LearnerShard, examples: list[Example]) -> None:
        refused, landmark_ms = shard.sums.refused, shard.sums.landmark_ms
        shard.learn(examples)
        moved = shard.sums.landmark_ms != landmark_ms
        changed = shard.pending.product_ids if moved else {example.product_id for example in examples}
        for product, row in shard.pending.rows(changed).items():
            self._pending.put(product, row)
        self._counters.add("examples_learned", len(examples))
        self._counters.add("examples_refused", shard.sums.refused - refused)

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Hands the shard's sums on."""
        name = ctx.get_current_key()
        self._waiting.discard(name)
        if model_of(name) not in self._models:
            return  # set before a restart that took its variant out of the configuration
        shard = self._load(name)
        self._counters.add("drifts_detected", shard.observe(self._models[model_of(name)], wall_clock_ms()))
        update = shard.take_update()
        self._pending.clear()
        self._shard.update(shard.encode(pending=False))
        self._counters.add("river_models_too_large", int(shard.river is not None and not update.river))
        self._counters.flush()
        yield Row(model_of(name), encode_update(update))

    def _load(self, name: str) -> LearnerShard:
        shard = self._shards.get(name)
        if shard is None:
            now_ms, rows = wall_clock_ms(), dict(self._pending.items())
            shard = LearnerShard.open(name, self._shard.value(), rows, DIMENSION, self._models[model_of(name)], now_ms)
            self._shards[name] = shard
        return shard


def model_of(shard: str) -> str:
    """The key of the statistics that a shard belongs to."""
    return shard.rpartition("/")[0]
