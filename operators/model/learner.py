"""The bandit's learner: sums by shard, handed on in short intervals."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.kernels import get_ready
from operators.task import begin_task, wall_clock_ms
from state.configuration import Bandit
from state.feature_set import DIMENSION
from state.kernels import warm_learning
from state.model.learner import LearnerShard
from state.model.model_input import encode_update
from state.model.sums import Example

UPDATE_TYPE = Types.ROW([Types.STRING(), Types.PRIMITIVE_ARRAY(Types.BYTE())])
"""Row(model, update)."""

_messages: msgspec.msgpack.Decoder[list[Example] | dict[str, list[float]]] = msgspec.msgpack.Decoder(
    list[Example] | dict[str, list[float]]
)


class LearnerOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard (`model/number`); input: what came for it in a publish interval, each a message of examples, or of rewards to
    watch by variant, in msgpack; output: an update for each input.

    `models` are the settings to learn with, by the key of the statistics. A shard lives in memory, and in state as a value. An
    earlier release kept the products that wait to be handed on in a map next to it, which is still read.
    """

    def __init__(self, models: Mapping[str, Bandit], build_id: str) -> None:
        self._models = models
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the shard's state."""
        begin_task(self._build_id)
        get_ready(warm_learning, "learner")
        self._shard = runtime_context.get_state(ValueStateDescriptor("shard", Types.PICKLED_BYTE_ARRAY()))
        pending = MapStateDescriptor("pending", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._pending = runtime_context.get_map_state(pending)
        self._counters = Counters(runtime_context.get_metrics_group(), "learner")
        self._shards: dict[str, LearnerShard] = {}

    def process_element(self, value: Sequence[bytes], ctx: Any) -> Iterator[Row]:
        """Learn, and hand the shard's sums on."""
        name = ctx.get_current_key()
        bandit = self._models.get(model_of(name))
        if bandit is None:
            return  # of before a restart that took its variant out of the configuration
        shard = self._load(name)
        examples = self._read_examples(value, shard)
        refused = shard.sums.refused
        shard.learn(examples)
        self._counters.add("examples_learned", len(examples))
        self._counters.add("examples_refused", shard.sums.refused - refused)
        self._counters.add("drifts_detected", shard.observe(bandit, wall_clock_ms()))
        update = shard.drain_update()
        self._counters.add("river_models_too_large", int(shard.river is not None and not update.river))
        self._counters.flush()
        self._shard.update(shard.encode())
        yield Row(model_of(name), encode_update(update))

    def _read_examples(self, messages: Sequence[bytes], shard: LearnerShard) -> list[Example]:
        """The examples of all messages; rewards to watch go to the shard."""
        examples: list[Example] = []
        for message in map(_messages.decode, messages):
            if isinstance(message, dict):
                shard.drift.add(message)
            else:
                examples += message
        return examples

    def _load(self, name: str) -> LearnerShard:
        shard = self._shards.get(name)
        if shard is None:
            now_ms, rows = wall_clock_ms(), dict(self._pending.items())
            shard = LearnerShard.open(name, self._shard.value(), rows, DIMENSION, self._models[model_of(name)], now_ms)
            self._pending.clear()
            self._shards[name] = shard
        return shard


def model_of(shard: str) -> str:
    """Return the key of the statistics that a shard belongs to."""
    return shard.rpartition("/")[0]
