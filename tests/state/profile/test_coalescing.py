"""A session's profile at most once in an interval: what waits, what does not, and what comes out the same."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from state.choosing.overload import Level
from state.events.event import Event
from state.personalizer import Personalizer
from state.profile.effect import Effect
from state.session.forms import decode_session
from state.session.session import Session
from tests.state.shop import HOUR, SESSION, T0, Visit, event, settings, shop

INTERVAL_MS = 1_000


def visit(**sections: Any) -> Visit:
    return Visit(shop(settings(**{"profile": {"min_interval": INTERVAL_MS}} | sections)))


def view(at_ms: int, number: int = 1) -> Event:
    return event("product_view", at_ms, product_id=f"product-{number}", event_id=f"e{number}-{at_ms}")


def test_the_first_event_after_a_pause_is_answered_at_once() -> None:
    visitor = visit()
    assert visitor.send(view(0)).write is not None
    assert visitor.send(view(INTERVAL_MS)).write is not None
    assert visitor.session.pending_ms == 0


def test_what_comes_sooner_is_applied_and_answered_when_the_interval_is_over() -> None:
    visitor = visit()
    visitor.send(view(0))
    published_ms = visitor.session.updated_at_ms
    first = visitor.send(view(300, 2))
    assert (first.write, first.pending_ms, first.counts) == (None, published_ms + INTERVAL_MS, {"events_applied": 1})
    second = visitor.send(view(600, 3))
    assert (second.write, second.pending_ms) == (None, None)
    explored = sum(visitor.session.slates[-1].explored[:5])
    expected = {"events_applied": 1, "exposures": 5, "exposures_explored": explored, "profiles_coalesced": 1}
    assert second.counts == {name: count for name, count in expected.items() if count}
    assert visitor.session.applied == 3
    flushed = visitor.flush_pending(published_ms + INTERVAL_MS)
    assert flushed is not None
    assert flushed.write is not None
    assert (flushed.write.version, flushed.write.updated_at_ms) == (3, published_ms + INTERVAL_MS)
    assert visitor.profile is not None
    assert visitor.profile["last_event"]["event_id"] == "e3-600"
    slate = visitor.session.slates[-1]
    assert (slate.published_at_ms, slate.profile_version) == (published_ms + INTERVAL_MS, 3)
    assert (visitor.session.pending_ms, visitor.session.pending_cause) == (0, b"")
    assert visitor.flush_pending(published_ms + 10 * INTERVAL_MS) is None


def test_a_timer_for_a_session_that_owes_nothing_does_nothing() -> None:
    visitor = visit()
    visitor.send(view(0))
    before = visitor.data
    effect = visitor.personalizer.publisher.publish_pending(visitor.session, SESSION, T0 + HOUR)
    assert (effect.write, effect.records, effect.pending_ms) == (None, [], None)
    assert effect.session is not None
    assert effect.session.encode() == before


def test_an_event_before_a_late_timer_pays() -> None:
    visitor = visit()
    visitor.send(view(0), view(500, 2))
    effect = visitor.send(view(1_500, 3))
    assert effect.write is not None
    assert effect.write.version == 3
    assert effect.counts["profiles_coalesced"] == 1
    assert visitor.session.pending_ms == 0


def test_duplicates_and_dropped_events_wait_too_and_keep_the_slate() -> None:
    visitor = visit()
    visitor.send(view(0))
    assert visitor.profile is not None
    decision = visitor.profile["decision_id"]
    assert [visitor.send(view(0), lag_ms=lag).write for lag in (20, 30, 40)] == [None] * 3
    visitor.flush_pending(T0 + HOUR)
    assert visitor.profile["decision_id"] == decision
    assert visitor.profile["counts"] == {"applied": 1, "duplicates": 3, "dropped": 0}


def test_a_new_event_among_duplicates_gets_its_slate() -> None:
    visitor = visit()
    visitor.send(view(0))
    assert visitor.profile is not None
    decision = visitor.profile["decision_id"]
    visitor.send(view(100, 2))
    visitor.send(view(0), lag_ms=200)
    visitor.flush_pending(T0 + HOUR)
    assert visitor.profile["decision_id"] != decision
    assert visitor.profile["counts"] == {"applied": 2, "duplicates": 1, "dropped": 0}


def test_an_impression_publishes_nothing_and_owes_nothing() -> None:
    visitor = visit()
    visitor.send(view(0))
    effect = visitor.send(visitor.impression(100))
    assert (effect.write, visitor.session.pending_ms) == (None, 0)


def test_what_was_seen_meanwhile_is_the_slate_that_stood_there() -> None:
    visitor = visit()
    visitor.send(view(0))
    assert visitor.profile is not None
    decision = visitor.profile["decision_id"]
    visitor.send(view(700, 2))
    assert {e.decision_id for e in visitor.session.exposures} == {decision}
    visitor.send(view(800, 3))
    assert len(visitor.session.exposures) == 5, "of one slate, once"


@pytest.mark.parametrize("word", [event("erase", 200), event("consent", 200, granted=False)])
def test_erasure_and_withdrawal_do_not_wait_and_clear_what_is_pending(word: Event) -> None:
    visitor = visit()
    visitor.send(view(0), view(100, 2))
    assert visitor.session.pending_ms
    effect = visitor.send(word)
    assert (effect.delete, effect.write) == (True, None)
    assert visitor.session.pending_ms == 0
    assert visitor.flush_pending(T0 + HOUR) is None


def test_what_an_erasure_leaves_is_published_at_once() -> None:
    visitor = visit()
    visitor.send(view(0), view(100, 2), view(300, 3))
    effect = visitor.send(event("erase", 200))
    assert effect.delete
    assert effect.write is not None
    assert visitor.profile is not None
    assert visitor.profile["last_event"]["event_id"] == "e3-300"


def test_without_consent_a_list_for_everybody_needs_no_state_and_does_not_wait() -> None:
    visitor = visit(consent={"default": "denied"})
    effects = [visitor.send(view(at_ms)) for at_ms in (0, 10)]
    assert all(effect.session is None and effect.write is not None for effect in effects)
    visitor.send(event("consent", 20, granted=True))
    assert visitor.profile is not None
    assert visitor.profile["version"] == 1
    assert visitor.send(view(30)).write is None


def test_a_session_that_ends_pays_first() -> None:
    visitor = visit()
    visitor.send(view(0), view(100, 2))
    [*_, last] = visitor.pass_watermark(T0 + 49 * HOUR)
    assert last.session is None
    assert last.write is not None
    assert last.write.version == 2


def test_published_decisions_are_those_that_were_published() -> None:
    visitor = visit(decisions={"log": "published"}, exposure={"mode": "explicit"})
    visitor.send(view(0), view(100, 2), view(200, 3))
    visitor.flush_pending(T0 + HOUR)
    assert [decision["profile_version"] for decision in visitor.records("decisions")] == [1, 3]


def test_an_event_is_not_rewarded_by_the_slate_that_it_asked_for() -> None:
    visitor = visit()
    visitor.send(view(0))
    asked = view(100, 2)
    visitor.send(asked)
    visitor.send(visitor.impression(200))
    visitor.flush_pending(T0 + HOUR)
    digest = next(e.digest for e in visitor.session.recent.events if e.event_id == asked.event_id)
    assert visitor.session.slates[-1].cause == digest


def test_a_clock_that_is_set_back_delays_no_longer_than_the_interval() -> None:
    visitor = visit()
    visitor.send(view(HOUR))
    effect = visitor.send(view(0, 2))
    assert effect.pending_ms == T0 + 10 + INTERVAL_MS
    assert visitor.flush_pending(T0 + 10 + INTERVAL_MS) is not None
    visitor.personalizer.publisher.overload.level = Level.SPACING
    visitor.send(view(2 * HOUR, 3), view(2 * HOUR + 1, 4))
    assert visitor.session.pending_ms > T0 + 2 * HOUR
    assert visitor.send(view(1, 5)).pending_ms == T0 + 11 + 2_000


@pytest.mark.parametrize(("own_ms", "spacing_ms", "wait_ms"), [(20, 2_000, 2_000), (5_000, 2_000, 5_000), (0, 0, 0)])
def test_behind_its_time_a_task_spaces_profiles(own_ms: int, spacing_ms: int, wait_ms: int) -> None:
    visitor = visit(profile={"min_interval": own_ms}, overload={"spacing": spacing_ms})
    visitor.personalizer.publisher.overload.level = Level.SPACING
    visitor.send(view(0))
    pending_ms = visitor.send(view(10, 2)).pending_ms
    assert (pending_ms or T0 + 10) - T0 - 10 == wait_ms


def test_state_from_before_is_read_and_owes_nothing() -> None:
    visitor = visit()
    visitor.send(view(0))
    session = visitor.session
    assert visitor.data is not None
    fields = msgspec.msgpack.decode(visitor.data[1:])
    older = visitor.data[:1] + msgspec.msgpack.encode(fields[: Session.__struct_fields__.index("pending_ms")])
    read = decode_session(older)
    assert read.slates == session.slates
    assert (read.pending_ms, read.pending_cause, read.region, read.moment, read.user, read.hint) == (
        0,
        b"",
        "",
        [],
        "",
        b"",
    )


class Line:
    """Sessions in the job, on one clock, with timers that may come late; adds up what is counted and written."""

    def __init__(self, personalizer: Personalizer) -> None:
        self.personalizer = personalizer
        self.states: dict[str, bytes] = {}
        self.profiles: dict[str, bytes] = {}
        self.counts: Counter[str] = Counter()
        self.writes = 0

    def send(self, arrival: Event, now_ms: int) -> None:
        state = self.states.get(arrival.session_id)
        session = None if state is None else decode_session(state)
        effect = self.personalizer.apply(session, arrival, record_ms=now_ms, now_ms=now_ms, watermark_ms=0)
        self._keep(arrival.session_id, effect)

    def fire(self, now_ms: int) -> None:
        for session_id, state in list(self.states.items()):
            session = decode_session(state)
            if 0 < session.pending_ms <= now_ms:
                self._keep(session_id, self.personalizer.publisher.publish_pending(session, session_id, now_ms))

    def _keep(self, session_id: str, effect: Effect) -> None:
        assert effect.session is not None
        self.states[session_id] = effect.session.encode()
        assert (effect.pending_ms is None) or effect.pending_ms == effect.session.pending_ms
        self.counts.update(effect.counts)
        if effect.write is not None:
            self.writes += 1
            self.profiles[session_id] = effect.write.profile


KINDS = ("product_view", "add_to_cart", "category_view", "hover")
step = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, 2),  # session
    st.integers(0, 3),  # product
    st.integers(0, 400),  # ms until it comes
    st.integers(0, 5_000),  # ms that it is late
    st.integers(1, 2),  # copies
    st.booleans(),  # do timers fire before it
)


PENALISED = [
    *[("product_view", 0, 0, 0, 0, 1, False)] * 14,
    ("product_view", 1, 0, 0, 0, 1, False),
    *[("product_view", 0, 0, wait_ms, 0, 1, False) for wait_ms in (92, 170, 238)],
    ("add_to_cart", 1, 3, 0, 0, 1, False),
    ("product_view", 1, 3, 0, 1, 1, False),
]
"""An exposure's reward falls, where one was published in between: by default the first counts, and an earlier one comes late."""


@given(st.lists(step, min_size=1, max_size=40), st.integers(0, 3_000))
@example([("hover", 0, 0, 0, 0, 2, False), ("hover", 0, 0, 0, 0, 1, False)], 1)
@example(PENALISED, 1)
@limits(deadline=None, max_examples=150)
def test_after_the_last_timer_nothing_is_different(steps: list[Any], interval_ms: int) -> None:
    """Profiles say the same as if every event had been answered by itself, and every event is in the counts of one."""
    apart = Line(shop(settings(session={"max_events": 12})))
    together = Line(shop(settings(session={"max_events": 12}, profile={"min_interval": interval_ms})))
    now_ms = T0 + 10_000
    arrivals = 0
    for number, (kind, who, product, wait_ms, late_ms, copies, on_time) in enumerate(steps):
        now_ms += wait_ms
        named = {} if kind == "category_view" else {"product_id": f"product-{product}"}
        made = event(kind, now_ms - late_ms - T0, session_id=f"s{who}", event_id=f"e{number}", **named)
        for _ in range(copies):
            if on_time:
                together.fire(now_ms)
            arrivals += 1
            apart.send(made, now_ms)
            together.send(made, now_ms)
    together.fire(now_ms + interval_ms)
    assert not any(decode_session(state).pending_ms for state in together.states.values())
    found, expected = (line_profiles(line) for line in (together, apart))
    assert found == expected
    assert sum(sum(profile["counts"].values()) for profile in found.values()) == arrivals
    assert apart.writes == arrivals == together.writes + together.counts.pop("profiles_coalesced", 0)
    for counts in (together.counts, apart.counts):  # what is exposed depends on what was published
        earned = ("reward_milli", "penalty_milli")
        for name in ("exposures", "exposures_explored", "exposures_new", "exposures_retracted", *earned):
            counts.pop(name, None)
    assert together.counts == apart.counts


def line_profiles(line: Line) -> dict[str, Any]:
    return {name: facts(profile) for name, profile in line.profiles.items()}


def facts(profile: bytes) -> dict[str, Any]:
    """What of a profile is not the policy's."""
    tree = msgspec.json.decode(profile)
    names = ("generation", "version", "event_time", "status", "affinities", "windows", "counts", "last_event")
    return {name: tree[name] for name in names}
