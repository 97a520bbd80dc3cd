"""The model operator: merges the learner's shards, publishes snapshots, and does what is asked of the model from outside."""

import uuid
from collections.abc import Iterator
from typing import Any

import structlog
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.names import MODEL_KEY, archive_key
from operators.task import begin_task, next_tick_ms, wall_clock_ms
from state.archive import Archive
from state.learner import ShardUpdate
from state.merger import IncompatibleModelError, Merger, Terms
from state.model import Snapshot
from state.model_input import Command, read_model_input

logger = structlog.get_logger()

SNAPSHOT_TYPE = Types.ROW([Types.PRIMITIVE_ARRAY(Types.BYTE()), Types.PRIMITIVE_ARRAY(Types.BYTE())])
"""Row(key, value) for the model's topic; a null value removes an archived snapshot."""


class ModelOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by model (the variant); input: see `read_model_input`; output: snapshots, at most one per interval.

    The statistics live in memory and, change by change, in state: a value for the sums, a map for the products.
    """

    def __init__(self, terms: Terms, publish_interval_ms: int, build_id: str) -> None:
        self._terms = terms
        self._interval_ms = publish_interval_ms // 2
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Finds the merged statistics."""
        begin_task(self._build_id)
        self._merged = runtime_context.get_state(ValueStateDescriptor("merged", Types.PICKLED_BYTE_ARRAY()))
        self._base = runtime_context.get_state(ValueStateDescriptor("base", Types.PICKLED_BYTE_ARRAY()))
        self._archived = runtime_context.get_state(ValueStateDescriptor("archived", Types.PICKLED_BYTE_ARRAY()))
        products = MapStateDescriptor("products", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._products = runtime_context.get_map_state(products)
        self._counters = Counters(runtime_context.get_metrics_group())
        self._waiting: set[str] = set()
        self._mergers: dict[str, Merger] = {}

    def process_element(self, value: bytes, ctx: Any) -> None:
        """Merges or obeys, and sets the timer that publishes."""
        name, now_ms = ctx.get_current_key(), wall_clock_ms()
        merger = self._load(name, now_ms)
        try:
            self._take(merger, value, now_ms)
        except IncompatibleModelError as error:
            self._counters.add("models_incompatible", 1)
            logger.warning("a model was not taken over", reason=str(error))
            return
        except ValueError as error:
            self._counters.add("models_unreadable", 1)
            logger.warning("a message for the model was not understood", reason=str(error))
            return
        if name not in self._waiting and not merger.is_empty():
            self._waiting.add(name)
            ctx.timer_service().register_processing_time_timer(next_tick_ms(self._interval_ms))

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Publishes a snapshot, and once an hour archives it."""
        name, now_ms = ctx.get_current_key(), wall_clock_ms()
        self._waiting.discard(name)
        snapshot = self._load(name, now_ms).snapshot(now_ms).encode()
        self._counters.add("models_published", 1)
        yield Row(MODEL_KEY, snapshot)
        archive = Archive.decode(self._archived.value())
        if archive.is_due(now_ms):
            removed = archive.add(now_ms)
            self._archived.update(archive.encode())
            yield Row(archive_key(now_ms), snapshot)
            for version in removed:
                yield Row(archive_key(version), None)

    def _take(self, merger: Merger, value: bytes, now_ms: int) -> None:
        message = read_model_input(value)
        if isinstance(message, ShardUpdate):
            beyond = merger.beyond
            whole = merger.absorb(message, now_ms)
            self._counters.add("products_beyond_disjoint", merger.beyond - beyond)
            self._store(merger, None if whole else message)
        elif isinstance(message, Command):
            snapshot = Snapshot.decode(message.snapshot)
            merger.start_from(snapshot, now_ms)
            self._store_base(merger, snapshot)
            logger.info("the model was replaced", action=message.action, base=snapshot.model_version)
        elif merger.is_of_earlier_job(message):
            merger.take_over(message, now_ms)
            self._store_base(merger, message)
            logger.info("the model of an earlier job was taken over", base=message.model_version)

    def _load(self, variant: str, now_ms: int) -> Merger:
        merger = self._mergers.get(variant)
        if merger is None:
            data = self._merged.value()
            if data is None:
                merger = Merger(self._terms, uuid.uuid4().hex, now_ms)
                self._merged.update(merger.encode())
            else:
                merger = Merger.decode(data, self._terms)
                merger.products.merge(dict(self._products.items()), 1.0)
                base = self._base.value()
                merger.base = None if base is None else Snapshot.decode(base)
            self._mergers[variant] = merger
        return merger

    def _store_base(self, merger: Merger, snapshot: Snapshot) -> None:
        self._base.update(snapshot.encode())
        self._store(merger, None)

    def _store(self, merger: Merger, update: ShardUpdate | None) -> None:
        """What has changed: an update's products, or all where none is named."""
        if update is None:
            self._products.clear()
        changed = merger.products.product_ids if update is None else update.products
        for product, row in merger.products.rows(changed).items():
            self._products.put(product, row)
        self._merged.update(merger.encode())
