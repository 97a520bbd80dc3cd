"""Going a session's way again: its inputs, one after the other, through the very code that applied them in the job.

Nothing is published and nothing is learned on the way. Slates are drawn at random, so they are not drawn again: those that the log
of decisions holds stand in their places, and exposures and rewards come out as they did.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from state.choosing.choice import Chooser
from state.configuration import Settings
from state.events.event import Event, read_event
from state.events.rejection import Rejection
from state.personalizer import Personalizer
from state.profile.effect import Effect
from state.session.forms import decode_session
from state.session.log import LoggedDecision
from state.session.recent_events import LoggedEvent, pack_identity
from state.session.session import SLATES_KEPT, Session
from state.session.slate import Slate

Fate = Literal["used", "gone", "duplicate", "dropped", "late", "refused", "without_consent", "forgetting"]
"""What became of an input: the session uses it; used it, and keeps it no more; had it already; could not use it any more; it came
too late; it is a dead letter; there was no consent; it is itself an erasure or a withdrawal."""

NEVER_MS = 2**62


class Arrival(msgspec.Struct, frozen=True):
    """A record of `user_interactions` as it came. `refusal` is the reason of its dead letter, "" where it is none, and `is_late`
    says that it is in `late_events`."""

    payload: bytes | None
    record_ms: int
    partition: int = 0
    offset: int = 0
    refusal: str = ""
    is_late: bool = False


class Input(msgspec.Struct):
    """An input and its fate; `event` is None where the payload is none."""

    fate: Fate
    record_ms: int
    event: Event | None = None
    detail: str = ""


class Retraced(msgspec.Struct):
    """The session as it is after its inputs: None where nothing of it is kept.

    `as_published` is the session as it was at the profile's version, None where that version was never reached. `counts` are the
    increments of the job's metrics that came about.
    """

    session: Session | None
    inputs: list[Input]
    as_published: Session | None
    counts: Counter[str]


def retrace(
    settings: Settings,
    chooser: Chooser,
    session_id: str,
    arrivals: Iterable[Arrival],
    decisions: Sequence[LoggedDecision] = (),
    published: tuple[int, int] = (0, 0),
    until_ms: int = 0,
) -> Retraced:
    """Apply the arrivals, oldest first, and lets the shop's time pass until `until_ms`, in ms since the epoch.

    `decisions` are those of the session in the log, `published` is the generation and version of its profile.
    """
    way = _Way(settings, chooser, session_id, decisions, published)
    for arrival in sorted(arrivals, key=lambda a: (a.record_ms, a.partition, a.offset)):
        way.apply(arrival)
    way.pass_time(until_ms)
    return way.result()


class _Way:
    """A session on its way."""

    def __init__(
        self,
        settings: Settings,
        chooser: Chooser,
        session_id: str,
        decisions: Sequence[LoggedDecision],
        published: tuple[int, int],
    ) -> None:
        self._settings = settings
        self._personalizer = Personalizer(_publishing_nothing(settings), chooser, b"")
        self._id = session_id
        self._slates = [slate_of(decision) for decision in decisions]
        self._published = published
        self._session: Session | None = None
        self._as_published: bytes | None = None
        self._inputs: list[Input] = []
        self._counts: Counter[str] = Counter()
        self._causes: dict[int, bytes] = {}

    def apply(self, arrival: Arrival) -> None:
        """Apply one input."""
        watermark_ms = self.pass_time(arrival.record_ms)
        event = self._read(arrival)
        if event is None:
            return
        if arrival.is_late:
            self._inputs.append(Input("late", arrival.record_ms, event))
            return
        if self._session is not None:
            self._hand_out(self._session, event)
        now_ms = arrival.record_ms
        effect = self._personalizer.apply(
            self._session, event, record_ms=now_ms, now_ms=now_ms, watermark_ms=watermark_ms
        )
        self._settle(effect)
        fate = _fate(effect)
        if fate == "forgetting":
            self._slates = [slate for slate in self._slates if slate.published_at_ms > now_ms]
        self._inputs.append(Input(fate, now_ms, event))
        self._note(event)

    def pass_time(self, now_ms: int) -> int:
        """Fire the timers that are due when records of that time are read; return the watermark, which is taken to be as far behind
        them as it may be."""
        watermark_ms = now_ms - self._settings.popularity.allowed_lateness_ms
        while self._session is not None and 0 < self._session.timer_ms <= watermark_ms:
            timer_ms = self._session.timer_ms
            self._settle(self._personalizer.on_timer(self._session, self._id, timer_ms, now_ms))
        return watermark_ms

    def result(self) -> Retraced:
        """Return what came out; what was applied and is kept no more is told."""
        kept = {event.identity for event in self._session.recent.events} if self._session else set()
        for taken in self._inputs:
            if taken.fate == "used" and taken.event and pack_identity(taken.event.identity) not in kept:
                taken.fate = "gone"
        as_published = None if self._as_published is None else decode_session(self._as_published)
        return Retraced(self._session, self._inputs, as_published, self._counts)

    def _read(self, arrival: Arrival) -> Event | None:
        rules = self._settings.events
        event = read_event(
            arrival.payload, now_ms=arrival.record_ms, max_bytes=rules.max_bytes, max_future_ms=rules.max_future_ms
        )
        if isinstance(event, Rejection):
            reason = arrival.refusal or event.reason
            self._inputs.append(Input("refused", arrival.record_ms, None, f"{reason}: {event.detail}"))
            return None
        if arrival.refusal:
            self._inputs.append(Input("refused", arrival.record_ms, event, arrival.refusal))
            return None
        return event

    def _hand_out(self, session: Session, event: Event) -> None:
        """Gives the session the newest slates that it had before the event, and the one that the event names."""
        had = [slate for slate in self._slates if slate.profile_version <= session.applied][-SLATES_KEPT:]
        named = next((slate for slate in self._slates if slate.decision_id == event.decision_id), None)
        if named is not None and named not in had:
            had.insert(0, named)
        for slate in had:
            slate.cause = slate.cause or self._causes.get(slate.profile_version, b"")
        session.slates = had

    def _settle(self, effect: Effect) -> None:
        self._session = effect.session
        self._counts.update(effect.counts)
        if effect.session is not None:
            effect.session.pending_ms = 0

    def _note(self, event: Event) -> None:
        session = self._session
        if session is None:
            return
        if event.event_type != "impression" and self._inputs[-1].fate == "used":
            entry = next((e for e in session.recent.events if e.identity == pack_identity(event.identity)), None)
            self._causes[session.applied] = _digest(entry)
        if (session.generation, session.applied) == self._published:
            self._as_published = session.encode()


def _digest(entry: LoggedEvent | None) -> bytes:
    return b"" if entry is None else entry.digest


def _fate(effect: Effect) -> Fate:
    return next((fate for name, fate in _FATES.items() if name in effect.counts), "used")


_FATES: dict[str, Fate] = {
    "events_duplicate": "duplicate",
    "events_dropped": "dropped",
    "events_without_consent": "without_consent",
    "sessions_forgotten": "forgetting",
}
"""By the metric that counts it."""


def _publishing_nothing(settings: Settings) -> Settings:
    """The settings with an interval between publications that never ends."""
    profile = msgspec.structs.replace(settings.profile, min_interval_ms=NEVER_MS)
    return msgspec.structs.replace(settings, profile=profile)


def slate_of(decision: LoggedDecision) -> Slate:
    """Return the slate of a logged decision; what the log does not hold is empty."""
    items = decision.items
    return Slate(
        decision_id=decision.decision_id,
        published_at_ms=decision.timestamp,
        profile_version=decision.profile_version,
        model_version=decision.model_version,
        policy=decision.policy,
        variant=decision.variant,
        feature_set=decision.feature_set,
        cause=b"",
        product_ids=[item.product_id for item in items],
        category_ids=[""] * len(items),
        propensity=[item.propensity for item in items],
        explored=[item.explored for item in items],
        features=b"".join(item.features for item in items),
        pinned=[item.pinned for item in items],
        logged=True,
    )


def in_order(decisions: Iterable[LoggedDecision]) -> list[LoggedDecision]:
    """Return each decision once, oldest first."""
    return sorted({decision.decision_id: decision for decision in decisions}.values(), key=lambda d: d.timestamp)
