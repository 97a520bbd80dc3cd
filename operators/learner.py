"""The bandit's learner: sums by shard, handed on in short intervals."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.task import begin_task, next_tick_ms, wall_clock_ms
from state.configuration import Bandit
from state.feature_set import DIMENSION
from state.learner import LearnerShard
from state.model_input import encode_update
from state.sums import Example

UPDATE_TYPE = Types.ROW([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
"""Row(model, update)."""

AT_ONCE = 2_000
"""Messages that are learned from together; more do not wait for the interval to end."""

_messages: msgspec.msgpack.Decoder[list[Example] | dict[str, list[float]]] = msgspec.msgpack.Decoder(
    list[Example] | dict[str, list[float]]
)


class LearnerOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard (`model/number`); input: examples, or rewards to watch by variant, in msgpack; output: updates, about one per
    shard and interval.

    `models` are the settings to learn with, by the key of the statistics. Messages wait in a list of the state, and are learned
    together when the interval ends; then the shard, which lives in memory, is stored. An earlier release kept the products that
    wait to be handed on in a map of their own, which is still read.
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
        self._log = runtime_context.get_list_state(ListStateDescriptor("waiting", Types.PICKLED_BYTE_ARRAY()))
        self._counters = Counters(runtime_context.get_metrics_group())
        self._waiting: dict[str, list[bytes]] = {}
        self._shards: dict[str, LearnerShard] = {}

    def process_element(self, value: bytes, ctx: Any) -> Iterator[Row]:
        """Keeps what is to be learned, and sets the timer that learns it."""
        name = ctx.get_current_key()
        waiting = self._waiting_of(name)
        waiting.append(value)
        self._log.add(value)
        if len(waiting) == 1:
            ctx.timer_service().register_processing_time_timer(next_tick_ms(self._interval_ms))
        elif len(waiting) >= AT_ONCE and model_of(name) in self._models:
            yield self._hand_on(name)

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Learns, and hands the shard's sums on."""
        name = ctx.get_current_key()
        if model_of(name) in self._models:  # else set before a restart that took its variant out of the configuration
            yield self._hand_on(name)

    def _hand_on(self, name: str) -> Row:
        shard, bandit, now_ms = self._load(name), self._models[model_of(name)], wall_clock_ms()
        examples: list[Example] = []
        for message in map(_messages.decode, self._waiting_of(name)):
            if isinstance(message, dict):
                shard.watches.add(message)
            else:
                examples += message
        refused = shard.sums.refused
        shard.learn(examples)
        self._counters.add("examples_learned", len(examples))
        self._counters.add("examples_refused", shard.sums.refused - refused)
        self._counters.add("drifts_detected", shard.observe(bandit, now_ms))
        update = shard.take_update()
        self._counters.add("river_models_too_large", int(shard.river is not None and not update.river))
        self._shard.update(shard.encode())
        self._log.clear()
        self._waiting[name] = []
        self._counters.flush()
        return Row(model_of(name), encode_update(update))

    def _waiting_of(self, name: str) -> list[bytes]:
        waiting = self._waiting.get(name)
        if waiting is None:
            waiting = self._waiting[name] = list(self._log.get())
        return waiting

    def _load(self, name: str) -> LearnerShard:
        shard = self._shards.get(name)
        if shard is None:
            now_ms, rows = wall_clock_ms(), dict(self._pending.items())
            shard = LearnerShard.open(name, self._shard.value(), rows, DIMENSION, self._models[model_of(name)], now_ms)
            self._pending.clear()
            self._shards[name] = shard
        return shard


def model_of(shard: str) -> str:
    """The key of the statistics that a shard belongs to."""
    return shard.rpartition("/")[0]
