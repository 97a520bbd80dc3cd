"""The session operator: everything about a visitor happens here, in one Python operator per slot."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import numpy as np
import redis
import structlog
from pyflink.common import Row, Types
from pyflink.datastream import KeyedBroadcastProcessFunction, RuntimeContext, TimeDomain
from pyflink.datastream.state import MapStateDescriptor, ValueStateDescriptor

from operators.counters import Counters
from operators.names import (
    BUNDLE_RECORD,
    CANDIDATES_RECORD,
    EXAMPLES,
    HINT_PARTITION,
    MODEL_RECORD,
    OUTCOMES,
    POPULARITY_RECORD,
    WANTED,
)
from operators.overload import OverloadWatch
from operators.profile_writer import ProfileWriter, RedisUnavailableError
from operators.reference_data import ReferenceData
from operators.task import (
    begin_task,
    flush_time_ms,
    is_publication_time,
    next_tick_ms,
    publication_time_ms,
    subtask_index,
    wall_clock_ms,
)
from state.choice import Chooser
from state.configuration import Settings
from state.event import Event, read_event
from state.hint import Hint
from state.kernels import warm
from state.log import Record
from state.personalizer import Effect, Personalizer
from state.rejection import Origin, Reason, Rejection, dead_letter
from state.session import Session

logger = structlog.get_logger()

REFERENCE_STATE = MapStateDescriptor("reference", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
_BYTES = Types.PRIMITIVE_ARRAY(Types.BYTE())
OUTPUT_TYPE = Types.ROW([Types.STRING(), _BYTES, _BYTES, _BYTES, Types.STRING(), _BYTES, Types.STRING()])
"""Row(kind, key, value, outcomes, shard, examples, accepted): a record for the topic of that kind or for the operator that wants
it, outcomes of that key, a message for the learner's shard, the lines of `state/accepted.py`; each None where there is none. What
an input brings about is one row mostly: rows cost more than their bytes."""


_NO_FLUSH = ("", 0)


class Secrets(msgspec.Struct, frozen=True):
    """What the operator must know and the job's graph must not."""

    redis_password: str | None
    salt: bytes


class SessionOperator(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Input 1: Row(payload, origin_key, partition, offset, record_ms) by session, an event, or a hint where the partition is
    `HINT_PARTITION`. Input 2: reference records, broadcast."""

    def __init__(self, settings: Settings, secrets: Callable[[], Secrets], build_id: str) -> None:
        self._settings = settings
        self._secrets = secrets
        self._build_id = build_id

    def open(self, runtime_context: RuntimeContext) -> None:
        """Connects, and refuses to run with other code than the client's."""
        begin_task(self._build_id)
        warm()
        settings, secrets = self._settings, self._secrets()
        index = subtask_index(runtime_context)
        self._is_first = index == 0
        seed = settings.bandit.seed
        rng = np.random.default_rng(None if seed is None else [seed, index])
        chooser = Chooser(settings, rng)
        self._chooser = chooser
        self._reference = ReferenceData(chooser)
        self._restored = False
        self._broadcast: Any = None
        self._personalizer = Personalizer(settings, chooser, secrets.salt)
        self._counters = Counters(runtime_context.get_metrics_group())
        self._watch = OverloadWatch(self._personalizer.overload, self._counters, settings.overload.recover_after_ms)
        self._session = runtime_context.get_state(ValueStateDescriptor("session", Types.PICKLED_BYTE_ARRAY()))
        timeout_s = settings.redis.socket_timeout_ms / 1_000
        client = redis.Redis.from_url(
            settings.redis.url,
            password=secrets.redis_password,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
        )
        self._writer = ProfileWriter(
            client,
            settings.redis.prefix,
            settings.session.ttl_ms,
            settings.redis.batch,
            settings.redis.block_max_ms,
            self._counters.add,
            flush_interval_ms=settings.redis.flush_interval_ms,
        )
        self._opened_ms = wall_clock_ms()
        self._newest_flush = _NO_FLUSH
        self._topic = settings.kafka.topics.user_interactions

    def close(self) -> None:
        """Lets nothing that is pending wait for the next start."""
        if hasattr(self, "_writer"):
            try:
                self._writer.close()
            finally:
                self._counters.flush()

    def process_element(self, value: Row, ctx: Any) -> Iterable[Row]:
        """An input of a session."""
        if not self._restored:
            self._restore(ctx)
        payload, origin_key, partition, offset, record_ms = value._values
        now_ms = wall_clock_ms()
        if partition == HINT_PARTITION:
            return self._take_hint(payload, now_ms, ctx)
        self._watch.take(record_ms, now_ms, ctx)
        try:
            records = self._handle(payload, record_ms, now_ms, ctx)
        except RedisUnavailableError:
            raise
        except Exception as error:  # one event must not stop the others
            logger.exception("an event could not be processed", partition=partition, offset=offset)
            records = Rejection(Reason.INTERNAL_ERROR, None, f"{type(error).__name__}: {error}")
        if isinstance(records, Rejection):
            self._counters.add(f"dead_letters_{records.reason}", 1)
            self._counters.flush()
            origin = Origin(self._topic, partition, offset, record_ms)
            return [_row("dead_letters", origin_key, dead_letter(records, origin, payload))]
        return records

    def process_broadcast_element(self, value: Row, ctx: Any) -> Iterator[Row]:
        """A bundle, a list, a product or a model: Row(kind, key, value, partition, offset, record_ms)."""
        if not self._restored:
            self._restore(ctx)
        kind, key, payload, partition, offset, record_ms = value._values
        rejection = self._reference.take(kind, key, payload)
        if not isinstance(rejection, Rejection):
            self._remember(rejection, payload, ctx)
            if kind == CANDIDATES_RECORD:
                self._counters.add_all(self._chooser.catalogue.take_counts())
            if kind == MODEL_RECORD:
                self._counters.show("products_held", len(self._chooser.catalogue))
                self._counters.show("catalogue_exposed_permille", round(1_000 * self._chooser.coverage()))
            return
        logger.warning("a reference record was refused", kind=kind, reason=rejection.reason, detail=rejection.detail)
        if self._is_first:  # every subtask sees it, one says so
            topics = self._settings.kafka.topics
            named = {
                BUNDLE_RECORD: topics.bundles,
                CANDIDATES_RECORD: topics.candidate_lists,
                POPULARITY_RECORD: topics.popularity,
            }
            topic = named.get(kind, topics.bandit_model)
            self._counters.add(f"dead_letters_{rejection.reason}", 1)
            self._counters.flush()
            yield _row(
                "dead_letters", key, dead_letter(rejection, Origin(topic, partition, offset, record_ms), payload)
            )

    def on_timer(self, timestamp: int, ctx: Any) -> Iterable[Row]:
        """Event time: exposures and sessions end. Processing time: profiles wait no longer."""
        if not self._restored:
            self._restore(ctx)
        if ctx.time_domain() != TimeDomain.PROCESSING_TIME:
            return self._end(timestamp, ctx)
        self._watch.on_timer(timestamp, wall_clock_ms(), ctx)
        if is_publication_time(timestamp):
            records = self._publish_owed(timestamp, ctx)
            if records is not None:
                return records
        rows = self._flush(timestamp, ctx)
        self._counters.flush()
        return rows

    def _end(self, timestamp: int, ctx: Any) -> list[Row]:
        session = self._load()
        if session is None or timestamp < session.timer_ms:
            return []  # gone, or an earlier timer than the one that counts
        session_id = ctx.get_current_key()
        effect = self._personalizer.on_timer(session, session_id, timestamp, wall_clock_ms())
        return self._carry_out(effect, session_id, ctx)

    def _publish_owed(self, timestamp: int, ctx: Any) -> list[Row] | None:
        """What the session owed by then; None where it owes nothing, or later."""
        session = self._load()
        if session is None or not session.owed_ms or timestamp < publication_time_ms(session.owed_ms):
            return None
        session_id = ctx.get_current_key()
        try:
            effect = self._personalizer.publish_owed(session, session_id, wall_clock_ms())
        except Exception:  # as for an event; the session's next one tries again
            logger.exception("an owed profile could not be made")
            self._counters.add("profiles_failed", 1)
            self._counters.flush()
            return []
        return self._carry_out(effect, session_id, ctx)

    def _load(self) -> Session | None:
        data = self._session.value()
        return None if data is None else Session.decode(data)

    def _handle(self, payload: bytes | None, record_ms: int, now_ms: int, ctx: Any) -> list[Row] | Rejection:
        rules = self._settings.events
        event = read_event(payload, now_ms=now_ms, max_bytes=rules.max_bytes, max_future_ms=rules.max_future_ms)
        if isinstance(event, Rejection):
            return event
        if event.session_id != ctx.get_current_key():
            return Rejection(Reason.KEY_MISMATCH, "session_id", "the session cannot be told, is the field there twice?")
        watermark_ms = ctx.timer_service().current_watermark()
        if self._personalizer.is_late(event, watermark_ms):
            self._counters.add("events_late", 1)
            self._counters.flush()
            return [_row("late_events", event.session_id.encode(), payload or b"")]
        effect = self._apply(event, record_ms, now_ms, watermark_ms)
        return self._carry_out(effect, event.session_id, ctx)

    def _take_hint(self, payload: bytes | None, now_ms: int, ctx: Any) -> list[Row]:
        """What is known of the session's user; one that is no good is counted, as it is of our own making."""
        session_id = ctx.get_current_key()
        try:
            effect = self._personalizer.take_hint(self._load(), session_id, Hint.decode(payload or b""), now_ms)
        except Exception:  # as for an event
            logger.exception("a hint could not be taken")
            self._counters.add("hints_failed", 1)
            self._counters.flush()
            return []
        return self._carry_out(effect, session_id, ctx)

    def _apply(self, event: Event, record_ms: int, now_ms: int, watermark_ms: int) -> Effect:
        session = self._load()
        return self._personalizer.apply(session, event, record_ms=record_ms, now_ms=now_ms, watermark_ms=watermark_ms)

    def _carry_out(self, effect: Effect, session_id: str, ctx: Any) -> list[Row]:
        """State first: nothing below may fail for a reason that lies in the event."""
        if effect.session is None:
            self._session.clear()
        else:
            self._session.update(effect.session.encode())
        if effect.timer_ms is not None:
            ctx.timer_service().register_event_time_timer(effect.timer_ms)
        if effect.owed_ms is not None:
            ctx.timer_service().register_processing_time_timer(publication_time_ms(effect.owed_ms))
        if effect.delete:
            self._writer.delete(session_id)
        if effect.write is not None:
            self._writer.put(session_id, effect.write)
        self._counters.add_all(effect.counts)
        if effect.delete or effect.write is not None:
            self._flush_soon(session_id, ctx)
        elif effect.session is None or not effect.session.owed_ms:  # else the timer of what is owed hands them on
            self._counters.flush()
        return _rows(effect.records, effect.accepted) + self._wanted()

    def _wanted(self) -> list[Row]:
        """Asks the directory for products that are not held here."""
        product_ids = self._chooser.catalogue.take_wanted(wall_clock_ms())
        if product_ids:
            self._counters.add("products_wanted", len(product_ids))
        return [_row(WANTED, product_id.encode(), b"") for product_id in product_ids]

    def _flush_soon(self, session_id: str, ctx: Any) -> None:
        """Each session has a timer of its own, which stands for its write after a restart."""
        due_ms = flush_time_ms(next_tick_ms(self._settings.redis.flush_interval_ms))
        if self._newest_flush != (session_id, due_ms):
            self._newest_flush = (session_id, due_ms)
            ctx.timer_service().register_processing_time_timer(due_ms)

    def _flush(self, timer_ms: int, ctx: Any) -> list[Row]:
        """A session has a timer until its write is known to have arrived. One from before this start may stand for a write that was
        lost: then the profile is written again."""
        self._newest_flush = _NO_FLUSH
        session_id = ctx.get_current_key()
        rows: list[Row] = []
        if timer_ms < self._opened_ms and not self._writer.holds(session_id):
            rows = self._write_again(self._load(), session_id)
        if not self._writer.push(session_id):
            self._flush_soon(session_id, ctx)
        return rows

    def _write_again(self, session: Session | None, session_id: str) -> list[Row]:
        effect = Effect(None)
        if session is not None:
            effect = self._personalizer.publish_again(session, session_id, wall_clock_ms())
        if session is not None and effect.write is not None:
            self._session.update(session.encode())
            self._writer.put(session_id, effect.write)
        elif session is None or not session.recent.events:
            self._writer.delete(session_id)
        return _rows(effect.records)

    def _restore(self, ctx: Any) -> None:
        self._restored = True
        count = self._reference.restore(ctx.get_broadcast_state(REFERENCE_STATE).items())
        logger.info("reference data restored", entries=count)

    def _remember(self, name: str | None, payload: bytes | None, ctx: Any) -> None:
        forgotten = self._reference.take_forgotten()
        if name is None and not forgotten:
            return
        state = self._broadcast
        if state is None:  # finding it takes longer than writing to it
            state = self._broadcast = ctx.get_broadcast_state(REFERENCE_STATE)
        for gone in forgotten:
            state.remove(gone)
        if name is None:
            return
        if payload is None:
            state.remove(name)
        else:
            state.put(name, payload)


def _row(kind: str | None, key: bytes | None, value: bytes | None) -> Row:
    return Row(kind, key, value, None, None, None, None)


def _rows(records: list[Record], accepted: str | None = None) -> list[Row]:
    """Records as few rows: outcomes, a message for the learner and what was accepted go along with a record of the same session."""
    if not records and accepted is None:
        return []
    rows = [
        _row(record.kind, record.key, record.value) for record in records if record.kind not in (OUTCOMES, EXAMPLES)
    ]
    for record in records:
        if record.kind == OUTCOMES:
            row = _with_room(rows, 3, record.key)
            row[1], row[3] = record.key, record.value
        elif record.kind == EXAMPLES:
            row = _with_room(rows, 5)
            row[4], row[5] = record.key.decode(), record.value
    if accepted is not None:
        _with_room(rows, 6)[6] = accepted
    return rows


def _with_room(rows: list[Row], column: int, key: bytes | None = None) -> Row:
    """The last of the rows where it has nothing in the column, and that key if one is given; else a new one."""
    if not rows or rows[-1][column] is not None or key not in (None, rows[-1][1]):
        rows.append(_row(None, key, None))
    return rows[-1]
