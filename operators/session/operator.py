"""The session operator: everything about a visitor happens here, in one Python operator per slot."""

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import numpy as np
import structlog
from pyflink.common import Row, Types
from pyflink.datastream import KeyedBroadcastProcessFunction, RuntimeContext, TimeDomain
from pyflink.datastream.state import MapStateDescriptor

from operators.counters import Counters, of_variant
from operators.kernels import get_ready
from operators.named_state import calls_of
from operators.names import (
    BUNDLE_RECORD,
    CANDIDATES_RECORD,
    MODEL_RECORD,
    POPULARITY_RECORD,
    SESSION,
)
from operators.redis.writers import REDIS, Writers, redis_health
from operators.session.agenda import Agenda, Entry, Task
from operators.session.batch import Input, Kind, read_batch
from operators.session.compiled import CompiledSessions, Steps, packer_for
from operators.session.due_sessions import DueSessions
from operators.session.outbox import Outbox
from operators.session.overload import OverloadReport
from operators.session.rebuild import Rebuilder
from operators.session.reference_data import ReferenceData
from operators.session.store import SessionStore
from operators.task import begin_task, next_tick_ms, subtask_count, subtask_index, wall_clock_ms
from operators.timings import Timings
from state.choosing.choice import Chooser
from state.configuration import Settings
from state.core.eligibility import left_to_python, why_not_compiled
from state.events.dead_letter_budget import DeadLetterBudget
from state.events.event import read_event, speaks_of_consent
from state.events.rejection import Origin, Reason, Rejection, dead_letter, letter_key
from state.kernels import warm
from state.personalizer import Personalizer
from state.profile.effect import Effect, Write
from state.profile.memory_budget import MemoryBudget
from state.session.forms import decode_session
from state.session.hint import Hint
from state.session.session import Session

logger = structlog.get_logger()

REFERENCE_STATE = MapStateDescriptor("reference", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
WRITTEN_AFTER_MS = 20
"""When an answer of Redis is looked for: rounded up to whole multiples, so that batches share timers."""
RETRY_AFTER_MS = 10_000
"""After a publication that failed by an error of ours."""
DUE_AT_ONCE = 64
"""Sessions whose time has come that are looked at in one call; events wait no longer than for those."""


BY_VARIANT = {"exposures", "exposures_explored", "reward_milli", "penalty_milli"}
"""What effects count that is counted by variant as well."""


class Secrets(msgspec.Struct, frozen=True):
    """Secrets that the operator must know and the job's graph must not."""

    redis_password: str | None
    salt: bytes


class SessionOperator(KeyedBroadcastProcessFunction):  # type: ignore[misc]
    """Input 1: batches of events and hints by bucket, see `operators/session/batch.py`. Input 2: reference records, broadcast."""

    def __init__(
        self, settings: Settings, secrets: Callable[[], Secrets], build_id: str, writers: Writers = REDIS
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._build_id = build_id
        self._writers = writers

    def open(self, runtime_context: RuntimeContext) -> None:
        """Connect, and refuse to run with other code than the client's."""
        begin_task(self._build_id)
        get_ready(warm, SESSION)
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
        self._personalizer = Personalizer(settings, chooser, secrets.salt, subtask_count(runtime_context))
        metrics = runtime_context.get_metrics_group()
        self._counters = Counters(metrics, SESSION)
        self._timings = Timings(metrics)
        self._overload = OverloadReport(
            self._personalizer.publisher.overload, self._counters, settings.overload.recover_after_ms
        )
        self._calls = calls_of(runtime_context)
        self._sessions = SessionStore(runtime_context, self._counters.add)
        self._due = DueSessions(runtime_context)
        self._agenda = Agenda(runtime_context, wall_clock_ms())
        self._outbox = Outbox(settings.popularity.slide_ms)
        self._accepted: dict[str, tuple[Input, Effect]] = {}
        self._written: set[str] = set()
        self._pending: dict[str, int] = {}
        password, count = secrets.redis_password, self._counters.add
        self._writer = self._writers.profiles(settings, password, count, self._acknowledged)
        self._popular_writer = self._writers.lists(settings, password, count)
        self._memory = MemoryBudget(settings.redis.max_bytes, settings.redis.short_ttl_ms)
        self._letters = DeadLetterBudget(settings.events.dead_letters_per_second)
        self._redis_health = redis_health(self._writer, settings.redis.prefix, self._counters, self._memory)
        self._rebuilder = Rebuilder(
            runtime_context,
            self._redis_health,
            self._writer,
            self._due,
            settings.redis.prefix,
            settings.redis.rebuild_per_second,
            self._bring_back,
            self._bring_back_lists,
            self._counters.add,
        )
        self._topic = settings.kafka.topics.user_interactions
        self._watermark_ms = 0
        self._pack = packer_for(chooser)
        self._compiled = self._compiled_sessions(rng, secrets.salt)

    def _compiled_sessions(self, rng: np.random.Generator, salt: bytes) -> CompiledSessions | None:
        """The compiled core, None where the configuration needs the Python core."""
        why = why_not_compiled(self._settings)
        if why is not None:
            logger.info("all inputs go to the Python core", configuration=why)
            return None
        left = left_to_python(self._settings)
        if left:
            logger.info("sessions of some variants go to the Python core", configuration=left)
        steps = Steps(
            self._apply_by_python,
            self._end_one,
            self._publish_pending,
            self._publish_again,
            self._put,
            self._wait,
            self._counters.add,
            self._count,
        )
        return CompiledSessions(
            self._personalizer,
            rng,
            salt,
            self._sessions,
            self._due,
            self._outbox,
            self._timings,
            steps,
        )

    def close(self) -> None:
        """Let nothing that is pending wait for the next start."""
        if hasattr(self, "_writer"):
            try:
                self._writer.close()
            finally:
                self._counters.flush()
                self._timings.close()

    def process_element(self, value: Row, ctx: Any) -> Iterable[Row]:
        """Apply a batch of inputs of a bucket's sessions: all are taken first, and then published for, as code that runs several
        times in a row is faster. Only if a session has another input is it published for in between."""
        began_s = time.perf_counter()
        if not self._restored:
            self._restore(ctx)
        self._rebuilder.see(ctx.get_current_key(), ctx.timer_service())
        watermark_ms = ctx.timer_service().current_watermark()
        inputs = list(read_batch(value))
        self._sessions.read(given.session_id for given in inputs)
        self._watermark_ms = watermark_ms
        if self._compiled is not None:
            self._apply_compiled(self._compiled, inputs, ctx)
        else:
            for given in inputs:
                self._apply(given, watermark_ms, ctx)
            for session_id in list(self._accepted):
                self._publish(session_id)
        self._end_of_call(ctx)
        self._timings.called(began_s)
        return ()

    def process_broadcast_element(self, value: Row, ctx: Any) -> Iterable[Row]:
        """Take a bundle, a list, a product or a model in: Row(kind, key, value, partition, offset, record_ms)."""
        if not self._restored:
            self._restore(ctx)
        kind, key, payload, partition, offset, record_ms = value._values
        try:
            found = self._reference.apply(kind, key, payload)
        except Exception as error:  # as for an event: what was held before stays
            logger.exception("a reference record could not be taken", kind=kind, partition=partition, offset=offset)
            found = _of_ours(error)
        if not isinstance(found, Rejection):
            self._remember(found, payload, ctx)
            self._show_reference_data(kind)
            return ()
        logger.warning("a reference record was refused", kind=kind, reason=found.reason, detail=found.detail)
        if self._is_first:  # every subtask sees it, one says so
            topics = self._settings.kafka.topics
            named = {
                BUNDLE_RECORD: topics.bundles,
                CANDIDATES_RECORD: topics.candidate_lists,
                POPULARITY_RECORD: topics.popularity,
            }
            origin = Origin(named.get(kind, topics.bandit_model), partition, offset, record_ms)
            self._refuse(found, origin, key, payload)
            self._say_what_is_left_out()
            self._counters.flush()
            self._send_on()
        return ()

    def _show_reference_data(self, kind: str) -> None:
        """Counts what a record of that kind changed, and brings the gauges up to date."""
        if kind == CANDIDATES_RECORD:
            self._counters.add_all(self._chooser.catalogue.drain_counts())
        if kind == MODEL_RECORD:
            self._counters.show("products_held", len(self._chooser.catalogue))
            self._counters.show("python_blocks", sys.getallocatedblocks())
            self._counters.show("catalogue_exposed_permille", round(1_000 * self._chooser.coverage()))
            predictor = self._chooser.predictor
            self._counters.show("model_version_ms", 0 if predictor is None else predictor.model_version)

    def on_timer(self, timestamp: int, ctx: Any) -> Iterable[Row]:
        """End exposures and sessions by event time, and work off the bucket's agenda by processing time."""
        if not self._restored:
            self._restore(ctx)
        if ctx.time_domain() == TimeDomain.PROCESSING_TIME:
            now_ms = max(timestamp, wall_clock_ms())
            self._overload.on_timer(timestamp, now_ms, ctx)
            bucket, is_behind = ctx.get_current_key(), self._personalizer.publisher.overload.level > 0
            for name, entry in self._agenda.due(bucket, now_ms):
                self._see_to(name, entry, now_ms, ctx)
            self._rebuilder.on_timer(bucket, timestamp, now_ms, is_behind, ctx.timer_service())
            self._counters.flush()
        else:
            self._end_some(timestamp, ctx)
        self._end_of_call(ctx)
        return ()

    def _apply_compiled(self, core: CompiledSessions, inputs: list[Input], ctx: Any) -> None:
        """Applies inputs by the compiled core, with hints about users in their places in between."""
        now_ms = wall_clock_ms()
        events: list[Input] = []
        for given in inputs:
            if given.kind is Kind.HINT:
                core.apply(events, now_ms, self._watermark_ms)
                events = []
                self._apply_hint(given, now_ms)
            else:
                self._overload.observe(given.record_ms, now_ms, ctx)
                events.append(given)
        core.apply(events, now_ms, self._watermark_ms)

    def _apply_by_python(self, given: Input) -> None:
        """Applies an event by the Python core, and publishes for it."""
        now_ms = wall_clock_ms()
        effect = self._guarded(given, lambda: self._handle(given, self._watermark_ms, now_ms))
        if effect is not None:
            self._accepted[given.session_id] = given, effect
            self._publish(given.session_id)

    def _publish_again(self, session_id: str) -> None:
        """Publishes by the Python core what is due of a session that the compiled one has left."""
        now_ms = wall_clock_ms()
        session = self._load_due(session_id)
        if session is None:
            return
        effect = Effect(session)
        try:
            self._personalizer.publisher.publish_now(effect, session, session_id, now_ms)
        except Exception:  # as for an event
            logger.exception("a profile could not be made")
            self._counters.add("profiles_failed", 1)
            self._try_again(session_id, now_ms + RETRY_AFTER_MS)
            return
        self._carry_out(effect, session_id)

    def _try_again(self, session_id: str, at_ms: int) -> None:
        """Lets a publication that failed be pending; its event stays applied."""
        session = self._load(session_id)
        if session is not None:
            session.pending_ms = at_ms
            self._wait(session_id, at_ms)
            self._sessions.put(session_id, self._pack(session_id, session))

    def _wait(self, session_id: str, at_ms: int) -> None:
        """Lets a publication be pending until then."""
        self._pending[session_id] = at_ms

    def _count(self, name: str, by: int, variant: str) -> None:
        self._counters.add(name, by)
        if name in BY_VARIANT:
            self._counters.add(of_variant(name, variant), by)

    def _apply(self, given: Input, watermark_ms: int, ctx: Any) -> None:
        now_ms = wall_clock_ms()
        if given.session_id in self._accepted:
            self._publish(given.session_id)
        if given.kind is Kind.HINT:
            self._apply_hint(given, now_ms)
            return
        self._overload.observe(given.record_ms, now_ms, ctx)
        effect = self._guarded(given, lambda: self._handle(given, watermark_ms, now_ms))
        if effect is not None:
            self._accepted[given.session_id] = given, effect

    def _publish(self, session_id: str) -> None:
        """Publishes what is due after the event of the session that was taken, and carries all of it out."""
        given, taken = self._accepted.pop(session_id)
        effect = self._guarded(
            given, lambda: self._personalizer.publisher.publish_due(taken, session_id, wall_clock_ms())
        )
        if effect is not None:
            self._timings.clicked(session_id, given.record_ms)
            self._carry_out(effect, session_id)

    def _guarded(self, given: Input, step: Callable[[], Effect | Rejection | None]) -> Effect | None:
        """What a step with an event comes to; None where nothing is to be carried out. One event must not stop the others."""
        try:
            found = step()
        except Exception as error:
            logger.exception("an event could not be processed", partition=given.partition, offset=given.offset)
            found = _of_ours(error)
        if isinstance(found, Rejection):
            if speaks_of_consent(given.payload):  # what a visitor wants to be forgotten is still used
                self._counters.add("consent_refused", 1)
            origin = Origin(self._topic, given.partition, given.offset, given.record_ms)
            self._refuse(found, origin, given.origin_key, given.payload)
            return None
        return found

    def _handle(self, given: Input, watermark_ms: int, now_ms: int) -> Effect | Rejection | None:
        events = self._settings.events
        event = read_event(given.payload, now_ms=now_ms, max_bytes=events.max_bytes, max_future_ms=events.max_future_ms)
        if isinstance(event, Rejection):
            return event
        if event.session_id != given.session_id:
            return Rejection(Reason.KEY_MISMATCH, "session_id", "the session cannot be told, is the field there twice?")
        if self._personalizer.is_late(event, watermark_ms):
            self._counters.add("events_late", 1)
            self._outbox.add("late_events", event.session_id.encode(), given.payload or b"")
            return None
        return self._personalizer.apply_unpublished(
            self._load(event.session_id), event, record_ms=given.record_ms, now_ms=now_ms, watermark_ms=watermark_ms
        )

    def _refuse(self, rejection: Rejection, origin: Origin, key: bytes | None, payload: bytes | None) -> None:
        self._counters.add("dead_letters", 1)
        self._counters.add(f"dead_letters_{rejection.reason}", 1)
        if self._letters.allows(rejection.reason, origin, wall_clock_ms()):
            self._outbox.add("dead_letters", letter_key(key), dead_letter(rejection, origin, payload))

    def _apply_hint(self, given: Input, now_ms: int) -> None:
        """What is known of the session's user. Hints are of our own making, but their topic may be anybody's to write to."""
        session_id = given.session_id
        try:
            found: Effect | Rejection = self._read_hint(given, now_ms)
        except Exception as error:  # as for an event
            logger.exception("a hint could not be taken")
            found = _of_ours(error)
        if isinstance(found, Rejection):
            self._counters.add("hints_failed", 1)
            topic = self._settings.kafka.topics.session_hints
            origin = Origin(topic, given.partition, given.offset, given.record_ms)
            self._refuse(found, origin, given.origin_key, given.payload)
            return
        self._carry_out(found, session_id)

    def _read_hint(self, given: Input, now_ms: int) -> Effect | Rejection:
        if given.session_id.encode() != given.origin_key:
            return Rejection(Reason.INVALID_VALUE, "key", "the key is no session's id in UTF-8")
        try:
            hint = Hint.decode(given.payload or b"")
        except ValueError as error:
            return Rejection(Reason.INVALID_VALUE, None, str(error))
        if not hint.is_finite:
            return Rejection(Reason.INVALID_VALUE, None, "a hint with a number that is none")
        return self._personalizer.apply_hint(self._load(given.session_id), given.session_id, hint, now_ms)

    def _load(self, session_id: str) -> Session | None:
        data = self._sessions.get(session_id)
        return None if data is None else decode_session(data)

    def _load_due(self, session_id: str) -> Session | None:
        """The session whose time has come, None also where its state cannot be read: it must not stop the others. The state stays,
        as another release may read it."""
        try:
            return self._load(session_id)
        except ValueError:
            logger.exception("the state of a session could not be read")
            self._counters.add("sessions_unreadable", 1)
            return None

    def _tried(self, step: Callable[[], Effect], counter: str) -> Effect | None:
        """What a step at a session's time comes to, None where it fails by an error of ours, which must not stop the others."""
        try:
            return step()
        except Exception:
            logger.exception("a session's time could not be seen to", counted_in=counter)
            self._counters.add(counter, 1)
            return None

    def _carry_out(self, effect: Effect, session_id: str) -> None:
        """State first: nothing below may fail for a reason that lies in the event."""
        self._sessions.put(session_id, None if effect.session is None else self._pack(session_id, effect.session))
        if effect.timer_ms is not None:
            self._due.add(session_id, effect.timer_ms)
        if effect.pending_ms is not None:
            self._wait(session_id, effect.pending_ms)
        self._counters.add_all(effect.counts)
        for name in BY_VARIANT & effect.counts.keys():
            variant = self._chooser.of(session_id).settings.bandit.variant
            self._counters.add(of_variant(name, variant), effect.counts[name])
        self._outbox.add_all(effect.records, effect.accepted)
        if effect.delete:
            self._writer.delete(session_id)
        if effect.write is not None:
            self._put(session_id, effect.write, self._timings.is_published(session_id))
        elif effect.session is None or not effect.session.pending_ms:
            self._timings.is_published(session_id)  # no profile follows
        if effect.delete:
            self._written.add(session_id)

    def _end_of_call(self, ctx: Any) -> None:
        """1 write the state; 2 note what to do by the clock; 3 send profiles; 4 send on the rest."""
        bucket, timers = ctx.get_current_key(), ctx.timer_service()
        self._say_what_is_left_out()
        self._sessions.store()
        self._due.store(bucket, timers)
        if self._pending:
            self._agenda.add(bucket, Task.PENDING, max(self._pending.values()), list(self._pending), timers)
            self._pending = {}
        if self._written:
            self._agenda.add(bucket, Task.WRITTEN, next_tick_ms(WRITTEN_AFTER_MS), list(self._written), timers)
            self._written = set()
            self._writer.send()
        else:
            self._counters.flush()  # nothing is noted that would hand them on
        now_ms = wall_clock_ms()
        self._timings.flush(now_ms, timers)
        product_ids = self._chooser.catalogue.poll_wanted(now_ms)
        if product_ids:
            self._counters.add("products_wanted", len(product_ids))
            self._outbox.want(product_ids)
        self._send_on()

    def _send_on(self) -> None:
        """All rows in one call, not by what PyFlink's functions return, as each row would cross twice on its own."""
        rows = self._outbox.drain()
        if rows:
            self._calls.collect(rows)

    def _say_what_is_left_out(self) -> None:
        """Of a flood of dead letters, in the call that left it out."""
        left_out = self._letters.drain()
        if left_out is not None:
            count, letter = left_out
            self._counters.add("dead_letters_not_stored", count)
            self._outbox.add("dead_letters", None, letter)

    def _acknowledged(self, clicked_ms: Iterable[int]) -> None:
        """Redis has answered for a batch of profiles."""
        self._counters.note("last_answer_ms", wall_clock_ms())
        self._timings.acknowledged(clicked_ms)

    def _see_to(self, name: str, entry: Entry, now_ms: int, ctx: Any) -> None:
        bucket = ctx.get_current_key()
        if entry.task == Task.WRITTEN and self._is_unanswered(name, entry, now_ms):
            self._agenda.postpone(entry, next_tick_ms(WRITTEN_AFTER_MS), ctx.timer_service())
            return
        self._agenda.done(bucket, name)
        if entry.task == Task.PENDING:
            self._sessions.read(entry.names)
            if self._compiled is not None:
                self._compiled.publish_pending(entry.names, now_ms, ctx.timer_service().current_watermark())
                return
            for session_id in entry.names:
                self._publish_pending(session_id, now_ms)
        elif entry.task == Task.DUE:
            self._end_some(entry.time_ms, ctx)

    def _is_unanswered(self, name: str, entry: Entry, now_ms: int) -> bool:
        """Whether any of what was written is not known to have arrived. What was written before this start is written again, as it
        may be lost."""
        if self._agenda.was_restored(name):
            self._sessions.read(entry.names)
            for session_id in entry.names:
                if not self._writer.holds(session_id):
                    self._write_again(session_id, now_ms)
            return False
        return not self._writer.have_arrived(entry.names)

    def _publish_pending(self, session_id: str, now_ms: int) -> None:
        session = self._load_due(session_id)
        if session is None or not session.pending_ms or now_ms < session.pending_ms:
            return
        publisher = self._personalizer.publisher
        effect = self._tried(lambda: publisher.publish_pending(session, session_id, now_ms), "profiles_failed")
        if effect is None:
            self._wait(session_id, now_ms + RETRY_AFTER_MS)
        else:
            self._carry_out(effect, session_id)

    def _end_some(self, time_ms: int, ctx: Any) -> None:
        """Looks at sessions that are due at that event time; if many are, at the others in a call of their own."""
        bucket = ctx.get_current_key()
        session_ids, are_more = self._due.drain(bucket, time_ms, DUE_AT_ONCE)
        self._sessions.read(session_ids)
        if self._compiled is not None:
            self._compiled.end(session_ids, time_ms, wall_clock_ms())
        else:
            for session_id in session_ids:
                self._end_one(session_id, time_ms)
        if self._rebuilder.is_busy_with(bucket):
            for session_id in session_ids:  # they move from a chunk that may be still to come
                if self._sessions.get(session_id) is not None:
                    self._bring_back(session_id, wall_clock_ms())
        if are_more:
            self._agenda.add_time(bucket, wall_clock_ms() + 1, time_ms, ctx.timer_service())

    def _end_one(self, session_id: str, time_ms: int) -> None:
        """Ends a session's exposures by the Python core, and the session when its life is over."""
        session, effect = self._load_due(session_id), None
        if session is not None:
            if time_ms < session.timer_ms:
                return  # another time is the one that counts
            on_timer, now_ms = self._personalizer.on_timer, wall_clock_ms()
            effect = self._tried(lambda: on_timer(session, session_id, time_ms, now_ms), "timers_failed")
        if effect is not None:
            self._carry_out(effect, session_id)
        elif self._sessions.get(session_id) is not None:
            self._due.add(session_id, time_ms + self._settings.session.ttl_ms)

    def _write_again(self, session_id: str, now_ms: int) -> None:
        session, effect = self._load_due(session_id), None
        if session is not None:
            publisher = self._personalizer.publisher
            effect = self._tried(lambda: publisher.republish(session, session_id, now_ms), "profiles_failed")
        elif self._sessions.get(session_id) is None:
            effect = Effect(None)
        if effect is None:
            return
        effect.delete = effect.write is None and (session is None or not session.recent.events)
        if effect.delete or effect.write is not None:
            self._carry_out(effect, session_id)

    def _bring_back(self, session_id: str, now_ms: int) -> bool:
        """Writes the profile of a session that Redis may have lost; whether it has one."""
        session = self._load_due(session_id)
        if session is None:
            return False
        try:
            effect = self._personalizer.publisher.lost_profile(session, session_id, now_ms)
        except Exception:  # as for an event
            logger.exception("a lost profile could not be made")
            self._counters.add("profiles_failed", 1)
            return False
        if effect is None or effect.write is None:
            self._writer.delete(session_id)  # a dump may have what was erased since
            self._written.add(session_id)
            return False
        if effect.session is not None:
            self._carry_out(effect, session_id)
            return True
        return self._put(session_id, effect.write)

    def _put(self, session_id: str, write: Write, clicked_ms: int = 0) -> bool:
        """Hands a profile to Redis where there is room for it; whether there is."""
        life_ms = self._memory.life_ms(write.version, write.life_ms)
        if life_ms is None:
            self._counters.add("profiles_over_budget", 1)
            return False
        if life_ms != write.life_ms:
            self._counters.add("profiles_short_lived", 1)
            write.life_ms = life_ms
        self._writer.put(session_id, write, clicked_ms)
        self._written.add(session_id)
        return True

    def _bring_back_lists(self) -> None:
        """Writes the regions' lists, which one task does for all."""
        if self._is_first:
            self._popular_writer.write(list(self._chooser.shelf.popularity.lists_for_redis()))

    def _restore(self, ctx: Any) -> None:
        self._restored = True
        count = self._reference.restore(ctx.get_broadcast_state(REFERENCE_STATE).items())
        logger.info("reference data restored", entries=count)

    def _remember(self, name: str | None, payload: bytes | None, ctx: Any) -> None:
        """Brings broadcast state up to date; `name` is the record's entry in it, None for a record that it does not hold."""
        forgotten = self._reference.drain_forgotten()
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


def _of_ours(error: Exception) -> Rejection:
    """Why an input was refused that nothing is known to be wrong with."""
    return Rejection(Reason.INTERNAL_ERROR, None, f"{type(error).__name__}: {error}")
