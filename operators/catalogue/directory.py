"""The directory of products: hears of every product, and tells the categories."""

from collections.abc import Iterator, Sequence
from typing import Any

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.task import begin_task, wall_clock_ms
from state.catalogue.assortment.directory import Batch, RecordPosition, Refused, apply_batch, read_batch
from state.catalogue.assortment.message import Message, encode_message
from state.catalogue.assortment.newcomers import Newcomers
from state.catalogue.assortment.records import product_key
from state.events.rejection import Origin, dead_letter, letter_key

BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
GATHERED_TYPE = Types.ROW([Types.OBJECT_ARRAY(BYTES), Types.OBJECT_ARRAY(BYTES), Types.OBJECT_ARRAY(Types.STRING())])
"""Row(keys, payloads, positions), parallel: see `jobs/streams/catalogue.py`."""
DIRECTORY_TYPE = Types.ROW_NAMED(
    ["category_id", "message", "kind", "key", "value"], [Types.STRING(), BYTES, Types.STRING(), BYTES, BYTES]
)
"""Row(category_id, message, kind, key, value): a message for a category, or a record of a kind that is a topic."""


class Shard:
    """Knowledge of a shard without asking its state: products that are new, and the newest version it has told."""

    def __init__(self, newest: int | None) -> None:
        self.newcomers = Newcomers(is_empty=newest is None)
        self.newest = newest or 0


class DirectoryOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by shard of product ids; input: what came for it in a short time; output: DIRECTORY_TYPE.

    A map holds an entry for each product of the shard, until the product is removed.
    """

    def __init__(self, topic: str, build_id: str) -> None:
        self._topic = topic
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the shard's state."""
        begin_task(self._build_id)
        entries = MapStateDescriptor("entries", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._entries = runtime_context.get_map_state(entries)
        self._newest = runtime_context.get_state(ValueStateDescriptor("newest", Types.PICKLED_BYTE_ARRAY()))
        self._counters = Counters(runtime_context.get_metrics_group(), "directory")
        self._shards: dict[str, Shard] = {}

    def process_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """Look the products up, and tell their categories what is new."""
        keys, payloads, positions = value._values
        batch = read_batch(_rows(keys, payloads, positions))
        shard = self._shard(ctx.get_current_key())
        outcome = apply_batch(batch, self._known(batch, shard))
        if outcome.entries:
            self._entries.put_all(outcome.entries)  # one by one, each would give up the interpreter
        for product_id in outcome.removed:
            self._entries.remove(product_id)
        self._count(batch, outcome.unchanged)
        if outcome.changes:
            version = self._next_version(shard)
            for category, changes in outcome.changes.items():
                yield Row(category, encode_message(Message(version, changes)), None, None, None)
        for product_id in outcome.unknown:
            yield Row(None, None, "candidate_lists", product_key(product_id), None)
        for refused in batch.refused:
            yield self._dead_letter(refused)

    def _shard(self, name: str) -> Shard:
        shard = self._shards.get(name)
        if shard is None:
            data = self._newest.value()
            shard = self._shards[name] = Shard(int.from_bytes(data[1:], "big") if data else None)
        return shard

    def _known(self, batch: Batch, shard: Shard) -> dict[str, bytes | None]:
        """The entries of the batch's products. Each look at the state takes longer than all else that is done with a product."""
        get, names = self._entries.get, {**batch.products, **dict.fromkeys(batch.wanted)}
        are_new = zip(names, shard.newcomers.add_new(names), strict=True)
        return {product_id: None if is_new else get(product_id) for product_id, is_new in are_new}

    def _next_version(self, shard: Shard) -> int:
        """The wall clock, but always later than the shard's last, also after a restart."""
        shard.newest = max(shard.newest + 1, wall_clock_ms())
        self._newest.update(b"\x01" + shard.newest.to_bytes(8, "big"))
        return shard.newest

    def _dead_letter(self, refused: Refused) -> Row:
        origin = Origin(self._topic, *refused.position)
        letter = dead_letter(refused.rejection, origin, refused.payload)
        return Row(None, None, "dead_letters", letter_key(refused.key), letter)

    def _count(self, batch: Batch, unchanged: int) -> None:
        self._counters.add("products_taken", len(batch.products))
        self._counters.add("products_unchanged", unchanged)
        self._counters.add("products_asked_for", len(batch.wanted))
        for refused in batch.refused:
            self._counters.add("dead_letters", 1)
            self._counters.add(f"dead_letters_{refused.rejection.reason}", 1)
        self._counters.flush()


def _rows(
    keys: Sequence[bytes], payloads: Sequence[bytes | None], positions: Sequence[str]
) -> Iterator[tuple[bytes, bytes | None, RecordPosition | None, str]]:
    """A position is `partition offset record_ms product`, empty for a product that is asked for."""
    for key, payload, text in zip(keys, payloads, positions, strict=True):
        if text:
            partition, offset, record_ms, product_id = text.split(" ", 3)
            yield key, payload, RecordPosition(int(partition), int(offset), int(record_ms)), product_id
        else:
            yield key, payload, None, ""
