"""The session operator's inputs through the compiled core, and what follows from them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import structlog

from operators.session.batch import Input
from operators.session.due_sessions import DueSessions
from operators.session.outbox import Outbox
from operators.session.store import SessionStore
from operators.timings import Timings
from state.choosing.choice import Chooser
from state.core.assembly import batch_core
from state.core.batch_core import Found, Work
from state.core.eligibility import left_to_python
from state.kernels.core.layout import EVENT, PENDING, TIMER
from state.personalizer import Personalizer
from state.profile.effect import Write
from state.session.attribution import shard_of
from state.session.forms import decode_session
from state.session.log import Record
from state.session.record import pack_record
from state.session.session import Session
from state.users.user_link import hello

logger = structlog.get_logger()


class Steps(NamedTuple):
    """The operator's own steps: one input by the Python core, a timer's, a pending publication, and a publication that is due; a
    profile to put; a session whose publication has its time; counting, and counting for a variant."""

    apply: Callable[[Input], None]
    end: Callable[[str, int], None]
    publish_pending: Callable[[str, int], None]
    publish: Callable[[str], None]
    put: Callable[[str, Write, int], object]
    wait: Callable[[str, int], None]
    add: Callable[[str, int], None]
    add_of: Callable[[str, int, str], None]


class CompiledSessions:
    """Host of the compiled core: sessions come from the store and go back to it, consequences to where the operator collects them.

    What the core leaves is applied by the operator's own steps. A call that fails is applied by them too, input by input.
    """

    def __init__(
        self,
        personalizer: Personalizer,
        rng: np.random.Generator,
        salt: bytes,
        sessions: SessionStore,
        due: DueSessions,
        outbox: Outbox,
        timings: Timings,
        steps: Steps,
    ) -> None:
        self._personalizer, self._chooser = personalizer, personalizer.chooser
        self._sessions, self._due, self._outbox, self._timings, self._steps = sessions, due, outbox, timings, steps
        self._now_ms = 0
        self._core = batch_core(personalizer, rng, salt, self)

    def apply(self, inputs: Sequence[Input], now_ms: int, watermark_ms: int) -> None:
        """Apply events, those of a session in their order."""
        self._run(
            [Work(EVENT, given.session_id, given.payload or b"", given.record_ms, given) for given in inputs],
            now_ms,
            watermark_ms,
        )

    def end(self, session_ids: Sequence[str], time_ms: int, now_ms: int) -> None:
        """Look at sessions that are due at an event time."""
        self._run([Work(TIMER, session_id, b"", time_ms, session_id) for session_id in session_ids], now_ms, time_ms)

    def publish_pending(self, session_ids: Sequence[str], now_ms: int, watermark_ms: int) -> None:
        """Publish what is pending of sessions."""
        self._run(
            [Work(PENDING, session_id, b"", now_ms, session_id) for session_id in session_ids], now_ms, watermark_ms
        )

    def _run(self, works: list[Work], now_ms: int, watermark_ms: int) -> None:
        self._now_ms = now_ms
        publisher = self._personalizer.publisher
        self._core.run(works, now_ms, watermark_ms, publisher.most_candidates(), publisher.interval_ms())

    def get(self, session_id: str) -> bytes | None:
        """See `Host`."""
        return self._sessions.get(session_id)

    def put(self, session_id: str, data: bytes | None) -> None:
        """See `Host`."""
        self._sessions.put(session_id, data)

    def carry_out(self, work: Work, found: Found) -> None:
        """See `Host`."""
        session_id = work.session_id
        if found.timer_ms:
            self._due.add(session_id, found.timer_ms)
        if found.pending_ms:
            self._steps.wait(session_id, found.pending_ms)
        records = self._records(session_id, found)
        if records or found.accepted:
            accepted = found.accepted.decode(errors="replace")  # of a damaged state it may be no text
            self._outbox.add_all(records, accepted or None)
        if work.kind == EVENT:
            self._timings.clicked(session_id, work.at_ms)
        if found.profile:
            write = Write(found.generation, found.version, found.updated_at_ms, found.profile)
            self._steps.put(session_id, write, self._timings.is_published(session_id))
        elif not found.is_pending:
            self._timings.is_published(session_id)  # no profile follows

    def apply_by_python(self, work: Work) -> None:
        """See `Host`."""
        self._steps.add("inputs_by_python", 1)
        if work.kind == EVENT:
            self._steps.apply(work.given)
        elif work.kind == TIMER:
            self._steps.end(work.session_id, work.at_ms)
        else:
            self._steps.publish_pending(work.session_id, self._now_ms)

    def publish_by_python(self, work: Work) -> None:
        """See `Host`."""
        self._steps.add("profiles_by_python", 1)
        self._steps.publish(work.session_id)

    def failed(self, error: Exception) -> None:
        """See `Host`."""
        logger.error("a call of the compiled core failed; its inputs go to the Python core", error=repr(error))
        self._steps.add("core_calls_failed", 1)

    def count(self, name: str, by: int, variant: str) -> None:
        """See `Host`."""
        self._steps.add_of(name, by, variant)

    def want(self, product_ids: list[str]) -> None:
        """See `Host`."""
        self._chooser.catalogue.want(product_ids)

    def _records(self, session_id: str, found: Found) -> list[Record]:
        records: list[Record] = []
        key = session_id.encode()
        if found.hello_ms:
            user = self._session(session_id).user
            records.append(hello(user, session_id, found.hello_ms))
        if found.decision:
            records.append(Record("decisions", key, found.decision))
        if found.outcomes:
            records.append(Record("outcomes", key, found.outcomes))
        if found.examples:
            for learner, shards in self._chooser.learners:
                shard = f"{learner}/{shard_of(session_id, shards)}"
                records.append(Record("examples", shard.encode(), found.examples))
        return records

    def _session(self, session_id: str) -> Session:
        data = self._sessions.get(session_id)
        assert data is not None, "a session that has just been put"
        return decode_session(data)


def packer_for(chooser: Chooser) -> Callable[[str, Session], bytes]:
    """Return how sessions of the Python core are stored: in the form that the compiled core takes, if it serves the session's
    variant and that form has a place for all of it."""
    left = left_to_python(chooser.settings)

    def pack(session_id: str, session: Session) -> bytes:
        bandit = chooser.of(session_id).settings.bandit
        packed = None if bandit.variant in left else pack_record(session, bandit.policy, bandit.variant)
        return packed or session.encode()

    return pack
