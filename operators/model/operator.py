"""The model operator: merges the learner's shards, publishes snapshots, and does what is asked of the model from outside."""

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Set
from typing import Any

import numpy as np
import structlog
from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.names import CHANGE_SUFFIX, MODEL_KEY, archive_key, key_of_model
from operators.task import begin_task, next_tick_ms, wall_clock_ms
from state.codec import UnreadableError, reading
from state.configuration import Bandit
from state.model.apprenticeship import share_of_model
from state.model.archive import Archive
from state.model.change import Change, LiveModel, Publication
from state.model.examination import evidence_for_cascade
from state.model.exposure_metrics import exposure_spread
from state.model.learner import ShardUpdate
from state.model.merger import IncompatibleModelError, Merger, ModelConditions
from state.model.model_input import Command, read_model_input
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot

logger = structlog.get_logger()

SNAPSHOT_TYPE = Types.ROW_NAMED(
    ["key", "value"], [Types.PRIMITIVE_ARRAY(Types.BYTE()), Types.PRIMITIVE_ARRAY(Types.BYTE())]
)
"""Row(key, value) for the model's topic; a null value removes an archived snapshot."""
LEARNT_WITHIN = 4
"""In this part of an interval, which begins as the learner's does, its shards have told what they learned."""


class ModelOperator(KeyedProcessFunction):  # type: ignore[misc]
    """Keyed by model; input: see `read_model_input`; output: snapshots and changes, at most one per interval.

    `models` are the conditions of the statistics by their key. The statistics live in memory and, change by change, in state:
    a value for the sums, a map for the products.
    """

    def __init__(self, models: Mapping[str, ModelConditions], bandit: Bandit, build_id: str) -> None:
        self._models = models
        self._default = bandit.variant
        self._interval_ms = bandit.publish_interval_ms // 2
        self._snapshot_interval_ms = bandit.snapshot_interval_ms
        self._lineage = bandit.lineage or uuid.uuid4().hex
        self._is_apprentice = bandit.start == "apprentice"
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Find the merged statistics."""
        begin_task(self._build_id)
        self._merged = runtime_context.get_state(ValueStateDescriptor("merged", Types.PICKLED_BYTE_ARRAY()))
        self._base = runtime_context.get_state(ValueStateDescriptor("base", Types.PICKLED_BYTE_ARRAY()))
        self._base_change = runtime_context.get_state(ValueStateDescriptor("base_change", Types.PICKLED_BYTE_ARRAY()))
        self._archived = runtime_context.get_state(ValueStateDescriptor("archived", Types.PICKLED_BYTE_ARRAY()))
        products = MapStateDescriptor("products", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._products = runtime_context.get_map_state(products)
        self._counters = Counters(runtime_context.get_metrics_group(), "model")
        self._waiting: set[str] = set()
        self._mergers: dict[str, Merger] = {}
        self._publications: dict[str, Publication] = {}
        self._earlier: dict[str, LiveModel] = {}

    def process_element(self, value: bytes, ctx: Any) -> None:
        """Merge or obey, and set the timer that publishes."""
        name, now_ms = ctx.get_current_key(), wall_clock_ms()
        self._load(name, now_ms)
        try:
            has_news = self._apply(name, value, now_ms)
        except IncompatibleModelError as error:
            self._counters.add("models_incompatible", 1)
            logger.warning("a model was not taken over", reason=str(error))
            return
        except UnreadableError as error:
            self._counters.add("models_unreadable", 1)
            logger.warning("a message for the model was refused; the model stays as it was", reason=str(error))
            has_news = not self._mergers[name].is_empty()  # the topic's newest record is to be a good one again
            self._publications[name].begin_anew()
        finally:
            self._counters.flush()
        if has_news and name not in self._waiting:
            self._waiting.add(name)
            ctx.timer_service().register_processing_time_timer(
                next_tick_ms(self._interval_ms, self._interval_ms // LEARNT_WITHIN)
            )

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        """Publish what changed, or now and then the whole, which once an hour is archived."""
        name, now_ms = ctx.get_current_key(), wall_clock_ms()
        self._waiting.discard(name)
        if name not in self._models:
            return  # set before a restart that took its variant out of the configuration
        merger = self._load(name, now_ms)
        publication, live_key = (
            self._publications[name],
            key_of_model(MODEL_KEY, merger.conditions.variant, self._default),
        )
        learned, version = merger.learned(now_ms), publication.version(now_ms)
        base_version = publication.base_of(learned, now_ms)
        if base_version is not None:
            examination = merger.examination
            made = self._snapshot(merger, version, publication.changed)
            if merger.examination != examination:
                publication.begin_anew()  # the counts of all products are others
            if made is not None:
                yield Row(live_key + CHANGE_SUFFIX, Change(base_version, made[0]).encode())
            return
        made = self._snapshot(merger, version)
        if made is None:
            return
        snapshot, predictor = made
        publication.whole(version, learned)
        self._show(merger, version, predictor)
        yield Row(live_key, snapshot)
        yield from self._archive(live_key, version, snapshot)

    def _snapshot(self, merger: Merger, version: int, only: Set[str] | None = None) -> tuple[bytes, Predictor] | None:
        """The bytes to publish, and what a reader makes of them; None for a model that no reader would take, in place of which the
        last good one stays."""
        examination = merger.examination
        try:
            with reading("the model snapshot"), np.errstate(all="ignore"):
                snapshot, predictor = self._sound(merger, version, only)
        except UnreadableError as error:
            self._counters.add("models_unsound", 1)
            logger.error("the model is not published: import one or roll back", reason=str(error))
            return None
        else:
            self._counters.add("models_published", 1)
            if merger.examination != examination:
                self._counters.add("examination_changes", 1)
                logger.info("what is learned below a last click is another now", examination=merger.examination)
            return snapshot.encode(), predictor
        finally:
            self._counters.flush()

    def _sound(self, merger: Merger, version: int, only: Set[str] | None) -> tuple[Snapshot, Predictor]:
        """The model, or, while after a rollback more was taken back than learned, what it was put back to."""
        snapshot = merger.snapshot(version, only)
        try:
            return snapshot, Predictor(snapshot)
        except UnreadableError as error:
            if not merger.was_put_back:
                raise
            snapshot = merger.snapshot(version, only, of_base=True)
            predictor = Predictor(snapshot)
            self._counters.add("models_of_base", 1)
            logger.warning("sessions take back what came before the rollback: its model stays", reason=str(error))
            return snapshot, predictor

    def _show(self, merger: Merger, version: int, predictor: Predictor) -> None:
        """Tells how evenly products are exposed, what is learned of exposures below a last click, and how far an apprentice is.

        All statistics learn all exposures, so those of the default variant tell it.
        """
        if merger.conditions.variant != self._default:
            return
        spread = exposure_spread(merger.products.exposures())
        self._counters.show("exposed_products", spread.products)
        self._counters.show("exposure_gini_permille", round(1_000 * spread.gini))
        self._counters.show("exposure_tail_permille", round(1_000 * spread.tail_share))
        evidence = evidence_for_cascade(merger.sums(), version)
        self._counters.show("examination_cascade", int(merger.examination == "cascade"))
        self._counters.show("examination_evidence", round(evidence))
        if self._is_apprentice:
            self._counters.show("apprentice_share_permille", round(1_000 * share_of_model(predictor.lead)))

    def _archive(self, live_key: bytes, version: int, snapshot: bytes) -> Iterator[Row]:
        archive = Archive.decode(self._archived.value())
        if archive.is_due(version):
            removed = archive.add(version)
            self._archived.update(archive.encode())
            yield Row(archive_key(live_key, version), snapshot)
            for old in removed:
                yield Row(archive_key(live_key, old), None)

    def _apply(self, name: str, value: bytes, now_ms: int) -> bool:
        """Returns whether there is something to publish."""
        message, merger = read_model_input(value), self._mergers[name]
        if isinstance(message, ShardUpdate):
            beyond = merger.beyond
            whole = merger.absorb(message, now_ms)
            self._counters.add("products_beyond_disjoint", merger.beyond - beyond)
            self._publications[name].changed.update(message.products)
            if whole:
                self._begin_anew(name)
            else:
                self._store(merger, message)
        elif isinstance(message, Command):
            snapshot = Snapshot.decode(message.snapshot)
            Predictor(snapshot)
            self._mergers[name] = merger.replaced(snapshot, now_ms)
            self._base.update(snapshot.encode())
            self._base_change.clear()
            self._begin_anew(name)
            logger.info("the model was replaced", action=message.action, base=snapshot.model_version)
        else:
            return self._apply_published(name, message, value, now_ms)
        return True

    def _apply_published(self, name: str, message: Change | Snapshot, value: bytes, now_ms: int) -> bool:
        """A snapshot or a change of the topic: what this job published itself tells it nothing."""
        merger, is_change = self._mergers[name], isinstance(message, Change)
        published = Snapshot.decode(message.snapshot) if isinstance(message, Change) else message
        if not merger.is_of_earlier_job(published):
            return False
        newest = self._earlier[name].apply(value)
        if newest is None:
            return False
        self._mergers[name] = merger.succeeding(newest, now_ms)
        if is_change:
            self._base_change.update(value)
        else:
            self._base.update(value)
            self._base_change.clear()
        self._begin_anew(name)
        logger.info("the model of an earlier job was taken over", base=newest.model_version)
        return True

    def _begin_anew(self, name: str) -> None:
        self._publications[name].begin_anew()
        self._store(self._mergers[name], None)

    def _load(self, name: str, now_ms: int) -> Merger:
        merger = self._mergers.get(name)
        if merger is None:
            data, earlier = self._merged.value(), self._read_base()
            self._earlier[name] = earlier
            if data is None:
                merger = Merger(self._models[name], self._lineage_of(name), now_ms)
                self._merged.update(merger.encode())
            else:
                merger = Merger.decode(data, self._models[name])
                damaged = merger.restore_products(dict(self._products.items()))
                self._count_dropped(merger.dropped + damaged)
                merger.restore_base(earlier.newest)
                if not merger.conditions.shortens:
                    merger.use_half_life(merger.conditions.half_life_ms, now_ms)
                    self._store(merger, None)
            self._mergers[name], self._publications[name] = merger, Publication(self._snapshot_interval_ms)
        return merger

    def _lineage_of(self, name: str) -> str:
        """The same after every restart of this job, so that what it published before it lost its state is known for its own."""
        return hashlib.sha256(f"{self._lineage} {name}".encode()).hexdigest()[:32]

    def _read_base(self) -> LiveModel:
        """What the merged statistics stand on, as the topic had it."""
        live = LiveModel()
        for stored in (self._base.value(), self._base_change.value()):
            if stored is not None:
                try:
                    live.apply(stored)
                except UnreadableError as error:
                    logger.warning("what the model stands on is left out", reason=str(error))
                    self._count_dropped(1)
        return live

    def _count_dropped(self, count: int) -> None:
        """Of an earlier release, which took over what was not sound."""
        if count:
            self._counters.add("models_unreadable", count)
            logger.warning("parts of the stored model were damaged, and are left out", parts=count)

    def _store(self, merger: Merger, update: ShardUpdate | None) -> None:
        """What has changed: an update's products, or all where none is named."""
        if update is None:
            self._products.clear()
        changed = merger.products.product_ids if update is None else update.products
        self._products.put_all(merger.products.rows(changed))  # one by one, each would give up the interpreter
        self._merged.update(merger.encode())
