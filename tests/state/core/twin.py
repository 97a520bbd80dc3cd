"""Both cores side by side: the same inputs go to the compiled core and to the Python core, and all that follows is compared.

Chance is the compiled core's: a slate that it chose is put into the Python core's session, whose profile is made of that.
"""

from collections import Counter
from typing import Any

import msgspec
import numpy as np

from state.choosing.choice import Chooser
from state.configuration import Settings
from state.core.assembly import batch_core
from state.core.batch_core import Found, Work
from state.events.event import read_event
from state.events.rejection import Rejection
from state.kernels.core.layout import COUNTERS, EVENT, PENDING, REPEAT, TIMER
from state.model.sums import Example
from state.personalizer import Personalizer
from state.profile.effect import Effect, Write
from state.session.forms import decode_session
from state.session.log import Record, decision_record
from state.session.record import pack_record
from state.session.session import SLATES_KEPT, Session
from state.session.slate import Slate
from state.users.user_link import hello

_examples = msgspec.msgpack.Decoder(list[Example])
SALT = b"salt"


class Told(msgspec.Struct):
    """What one core has done with one input."""

    state: Session | None
    profile: bytes | None = None
    write: Write | None = None
    decisions: list[dict[str, Any]] = []
    outcomes: list[dict[str, Any]] = []
    examples: list[Example] = []
    accepted: str | None = None
    timer_ms: int | None = None
    pending_ms: int | None = None
    by_python: bool = False
    users: list[bytes] = []


class CompiledHost:
    """Sessions of the compiled core, and what it has done with each input; what it leaves goes to the Python core."""

    def __init__(self, settings: Settings, chooser: Chooser, seed: int) -> None:
        self.settings, self.chooser = settings, chooser
        self.sessions: dict[str, bytes] = {}
        self.counts: Counter[str] = Counter()
        self.counts_by_variant: Counter[tuple[str, str]] = Counter()
        self.told: dict[int, Told] = {}
        self.personalizer = Personalizer(settings, chooser, SALT)
        self.now_ms = self.watermark_ms = 0
        self.wanted: list[str] = []
        self.ways: Counter[str] = Counter()
        self.core = batch_core(self.personalizer, np.random.default_rng(seed), SALT, self)
        self.world = self.core.world

    def run(self, works: list[Work], now_ms: int, watermark_ms: int) -> list[Told]:
        """Apply inputs in one call; return what each has come to, in their order."""
        self.now_ms, self.watermark_ms = now_ms, watermark_ms
        self.told = {}
        numbered = [work._replace(given=number) for number, work in enumerate(works)]
        publisher = self.personalizer.publisher
        self.core.run(numbered, now_ms, watermark_ms, publisher.most_candidates(), publisher.interval_ms())
        return [self.told.get(number, Told(None)) for number in range(len(works))]

    def get(self, session_id: str) -> bytes | None:
        """See `Host`."""
        return self.sessions.get(session_id)

    def put(self, session_id: str, data: bytes | None) -> None:
        """See `Host`."""
        if data is None:
            self.sessions.pop(session_id, None)
        else:
            self.sessions[session_id] = data

    def carry_out(self, work: Work, found: Found) -> None:
        """See `Host`."""
        self.ways["compiled"] += 1
        self.ways[f"compiled: {self.chooser.of(work.session_id).settings.bandit.policy}"] += 1
        told = self.told.setdefault(work.given, Told(None))
        if found.timer_ms:
            told.timer_ms = found.timer_ms
        if found.pending_ms:
            told.pending_ms = found.pending_ms
        if found.profile:
            told.profile = found.profile
            told.write = Write(found.generation, found.version, found.updated_at_ms, found.profile)
        if found.decision:
            told.decisions.append(msgspec.json.decode(found.decision))
        told.outcomes += [msgspec.json.decode(line) for line in found.outcomes.split(b"\n") if line]
        if found.examples:
            told.examples += _examples.decode(found.examples)
        if found.accepted:
            told.accepted = found.accepted.decode(errors="replace")
        told.state = self._session(work.session_id)
        if found.hello_ms and told.state is not None:
            self.ways["hello"] += 1
            told.users.append(hello(told.state.user, work.session_id, found.hello_ms).value)

    def apply_by_python(self, work: Work) -> None:
        """See `Host`."""
        self.ways["python"] += 1
        told = apply_by_python(self.personalizer, self._session(work.session_id), work, self.now_ms, self.watermark_ms)
        told.by_python = True
        self.told[work.given] = told
        self.keep(work.session_id, told.state)

    def publish_by_python(self, work: Work) -> None:
        """See `Host`."""
        self.ways["python publication"] += 1
        session = self._session(work.session_id)
        assert session is not None
        effect = Effect(session)
        self.personalizer.publisher.publish_now(effect, session, work.session_id, self.now_ms)
        told = self.told[work.given]
        told.write, told.profile, told.state, told.by_python = effect.write, _profile(effect), session, True
        for record in effect.records:
            _tell_record(told, record)
        self.keep(work.session_id, session)

    def failed(self, error: Exception) -> None:
        """See `Host`: here nothing may fail."""
        raise error

    def count(self, name: str, by: int, variant: str) -> None:
        """See `Host`."""
        self.counts[name] += by
        self.counts_by_variant[variant, name] += by

    def want(self, product_ids: list[str]) -> None:
        """See `Host`."""
        self.wanted += product_ids
        self.chooser.catalogue.want(product_ids)

    def _session(self, session_id: str) -> Session | None:
        data = self.sessions.get(session_id)
        return None if data is None else decode_session(data)

    def keep(self, session_id: str, session: Session | None) -> None:
        """Hold a session of the Python core, as a record where that has a place for all of it."""
        if session is None:
            self.sessions.pop(session_id, None)
        else:
            self.sessions[session_id] = packed(self.chooser, session_id, session)


def packed(chooser: Chooser, session_id: str, session: Session) -> bytes:
    """The session in the form of the compiled core, if that has a place for all of it."""
    bandit = chooser.of(session_id).settings.bandit
    return pack_record(session, bandit.policy, bandit.variant) or session.encode()


def apply_by_python(
    personalizer: Personalizer, session: Session | None, work: Work, now_ms: int, watermark_ms: int
) -> Told:
    """Apply an input by the Python core as the operator does, publication included."""
    return told_of(unpublished(personalizer, session, work, now_ms, watermark_ms))


def unpublished(
    personalizer: Personalizer,
    session: Session | None,
    work: Work,
    now_ms: int,
    watermark_ms: int,
    publishes: bool = True,
) -> Effect:
    """What the Python core makes of an input; `publishes` says whether what is due is published."""
    publisher = personalizer.publisher
    if work.kind == TIMER:
        if session is None or work.at_ms < session.timer_ms:
            return Effect(session)
        return personalizer.on_timer(session, work.session_id, work.at_ms, now_ms)
    if work.kind == PENDING:
        if session is None or not session.pending_ms or now_ms < session.pending_ms:
            return Effect(session)
        effect = Effect(session, is_due=True)
        return publisher.publish_due(effect, work.session_id, now_ms) if publishes else effect
    if work.kind == REPEAT:
        return Effect(None) if session is None else publisher.republish(session, work.session_id, now_ms)
    assert work.kind == EVENT
    events = personalizer.settings.events
    event = read_event(work.payload, now_ms=now_ms, max_bytes=events.max_bytes, max_future_ms=events.max_future_ms)
    if isinstance(event, Rejection) or event.session_id != work.session_id or personalizer.is_late(event, watermark_ms):
        return Effect(session)
    effect = personalizer.apply_unpublished(
        session, event, record_ms=work.at_ms, now_ms=now_ms, watermark_ms=watermark_ms
    )
    return publisher.publish_due(effect, work.session_id, now_ms) if publishes else effect


def told_of(effect: Effect) -> Told:
    """What an effect tells."""
    told = Told(effect.session, _profile(effect), effect.write, accepted=effect.accepted)
    told.timer_ms, told.pending_ms = effect.timer_ms, effect.pending_ms
    for record in effect.records:
        _tell_record(told, record)
    told.examples = _of_every_learner(effect.records)
    return told


def _of_every_learner(records: list[Record]) -> list[Example]:
    """Examples, of which every learner is sent the same."""
    by_learner: dict[bytes, list[Example]] = {}
    for record in records:
        if record.kind == "examples":
            by_learner.setdefault(record.key.split(b"/")[0], []).extend(_examples.decode(record.value))
    first, *others = by_learner.values() or ([],)
    assert all(other == first for other in others)
    return first


def _tell_record(told: Told, record: Record) -> None:
    if record.kind == "decisions":
        told.decisions.append(msgspec.json.decode(record.value))
    elif record.kind == "outcomes":
        told.outcomes += [msgspec.json.decode(line) for line in record.value.split(b"\n")]
    elif record.kind == "user":
        told.users.append(record.value)


def _profile(effect: Effect) -> bytes | None:
    return None if effect.write is None else effect.write.profile


class Twins:
    """Both cores over one shop."""

    def __init__(self, settings: Settings, chooser: Chooser, seed: int = 0) -> None:
        self.compiled = CompiledHost(settings, chooser, seed)
        self.chooser = chooser
        self.personalizer = Personalizer(settings, chooser, SALT)
        self.sessions: dict[str, Session] = {}

    def run(self, works: list[Work], now_ms: int, watermark_ms: int) -> None:
        """Apply a batch in both, one input of a session after the other, and compare all that follows.

        Raises:
            AssertionError: anything differs.
        """
        order = {work.session_id: None for work in works}
        grouped = [work for session_id in order for work in works if work.session_id == session_id]
        for work in grouped:
            counted = self.compiled.counts_by_variant.copy()
            variant = self.chooser.of(work.session_id).settings.bandit.variant
            told = self.compiled.run([work], now_ms, watermark_ms)[0]
            effect = self._compare(work, told, now_ms, watermark_ms)
            if not told.by_python:
                counts = {(variant, name): by for name, by in effect.counts.items() if by and name in COUNTERS}
                assert self.compiled.counts_by_variant - counted == counts

    def _compare(self, work: Work, told: Told, now_ms: int, watermark_ms: int) -> Effect:
        """What the Python core makes of the input, after it was compared. Where the compiled core has left it to Python, what is
        compared is that it was applied to the same session."""
        session = self.sessions.get(work.session_id)
        if work.kind == REPEAT:
            effect = Effect(session)
        else:
            effect = unpublished(self.personalizer, session, work, now_ms, watermark_ms, publishes=False)
        expected = told_of(effect)
        held = self.compiled.sessions.get(work.session_id)
        state = None if held is None else decode_session(held)
        if effect.session is not None and (effect.is_due or work.kind == REPEAT):
            expected.decisions += self._publish(effect.session, work, told, state, now_ms)
        else:
            is_last = work.kind == TIMER and told.by_python  # what was pending at its end
            assert told.profile is None or is_last, "a profile that nobody asked for"
            if is_last:
                told.decisions, expected.decisions = [], []
        assert _comparable(told.decisions) == _comparable(expected.decisions)
        assert _numbers(told.outcomes) == _numbers(expected.outcomes)
        assert _sorted(told.examples) == _sorted(expected.examples)
        assert told.accepted == expected.accepted
        assert told.users == expected.users
        assert (told.timer_ms, told.pending_ms) == (expected.timer_ms, expected.pending_ms)
        if effect.session is None:
            self.sessions.pop(work.session_id, None)
            assert state is None
        else:
            self.sessions[work.session_id] = effect.session
            assert state is not None
            assert_same(state, effect.session)
        return effect

    def _publish(
        self, session: Session, work: Work, told: Told, state: Session | None, now_ms: int
    ) -> list[dict[str, Any]]:
        """Makes the Python core's profile of the slate that the compiled core has chosen, and compares. Returns the decision where
        it is logged with the profile."""
        publisher, cause = self.personalizer.publisher, session.pending_cause
        if work.kind == REPEAT:
            cause = b""
        else:
            session.pending_ms, session.pending_cause = 0, b""
        if state is None or not state.slates:
            assert told.profile is None
            return []
        newest = state.slates[-1]
        known = {slate.decision_id for slate in session.slates}
        catalogue = self.chooser.catalogue
        is_new = bool(cause)
        if not cause and session.slates and len(catalogue) and not catalogue.can_show(session.slates[-1].product_ids):
            cause, is_new = session.slates[-1].cause, True
        if is_new:
            assert newest.decision_id not in known, "a new slate was asked for"
            if cause in {event.digest for event in session.recent.events}:
                assert newest.cause == cause
            session.slates = [*session.slates, _copied(newest)][-SLATES_KEPT:]
            assert newest.logged == (publisher.settings.decisions.log == "published")
        elif not session.slates:
            assert told.profile is None
            return []
        group = publisher.context(session, now_ms).group
        self._predict(self.chooser.of(work.session_id), session.slates[-1], group, is_new)
        interest = publisher.context(session, now_ms).interest
        write = publisher.profile(session, work.session_id, session.slates[-1], interest, now_ms)
        assert told.profile is not None
        assert_same_profile(told.profile, write.profile, has_scores=not told.by_python)
        assert told.write is not None
        assert (told.write.generation, told.write.version, told.write.updated_at_ms) == (
            write.generation,
            write.version,
            write.updated_at_ms,
        )
        if not is_new or not newest.logged:
            return []
        record = decision_record(work.session_id, session.slates[-1], None)
        return [msgspec.json.decode(record.value)]

    def _predict(self, chooser: Chooser, slate: Slate, group: str, is_new: bool) -> None:
        """Before there is a model, the expected rewards of a slate are known to who has just chosen it: those of the prior."""
        if is_new and slate.product_ids:
            expected = slate.matrix().astype(np.float64) @ chooser.posterior.theta
            chooser._newest = (slate.decision_id, expected + chooser.effects(slate.product_ids, group))
        else:
            chooser._newest = ("", np.zeros(0))


def assert_same_profile(found: bytes, expected: bytes, has_scores: bool = True) -> None:
    """Profiles are the same but for the last digit of scores: the model's prediction of a slate is summed in another order."""
    if found == expected:
        return
    a, b = msgspec.json.decode(found), msgspec.json.decode(expected)
    for one, other in zip(a["score_data"], b["score_data"], strict=True):
        score, reasons = (one.pop("score"), other.pop("score")), (one.pop("reasons"), other.pop("reasons"))
        if has_scores:
            assert abs(score[0] - score[1]) <= 2e-5
            assert [reason["code"] for reason in reasons[0]][:1] == [reason["code"] for reason in reasons[1]][:1]
    assert a == b


def assert_same(found: Session, expected: Session) -> None:
    """Sessions are the same, whatever form they came from."""
    assert _told_by(found) == _told_by(expected)


def _told_by(session: Session) -> dict[str, Any]:
    fields = {
        name: getattr(session, name) for name in session.__struct_fields__ if name not in ("recent", "packed_slates")
    }
    digests = {event.digest for event in session.recent.events}
    fields["events"] = [
        (
            e.timestamp_ms,
            e.identity,
            e.kind,
            e.products,
            e.categories,
            e.decision_id,
            sorted(set(e.credited)),
            e.strength,
            e.bundles,
        )
        for e in session.recent.events
    ]
    if session.pending_cause not in digests:  # of an event that has left the log nothing is told but that there was one
        fields["pending_cause"] = bool(session.pending_cause)
    fields["horizon"] = session.recent.horizon
    fields["exposures"] = [
        msgspec.structs.replace(e, cause=e.cause if e.cause in digests else b"") for e in session.exposures
    ]
    fields["slates"] = [
        msgspec.structs.replace(s, cause=s.cause if s.cause in digests else b"", pinned=[]) for s in session.slates
    ]
    fields["shown"] = list(session.shown.items())
    return fields


def _copied(slate: Slate) -> Slate:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(slate), type=Slate)


def _comparable(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [msgspec.json.decode(msgspec.json.encode(decision)) for decision in decisions]
    for decision in found:
        for item in decision["items"]:
            item["propensity"] = round(item["propensity"], 14)
    return found


def _numbers(outcomes: list[dict[str, Any]]) -> list[tuple[tuple[str, Any], ...]]:
    return [tuple(sorted(outcome.items())) for outcome in outcomes]


def _sorted(examples: list[Example]) -> list[Example]:
    return sorted(
        examples, key=lambda example: (example.product_id, example.exposed_at_ms, example.count, example.reward)
    )
