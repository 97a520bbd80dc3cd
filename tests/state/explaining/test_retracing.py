"""A session gone again from its records: it must come out as the job left it."""

from typing import Any

import msgspec
import pytest

from state.configuration import Settings
from state.explaining.explanation import differences
from state.explaining.retracing import Arrival, Retraced, in_order, retrace
from state.session.log import LoggedDecision, LoggedOutcome
from tests.state.shop import HOUR, MINUTE, SESSION, T0, Visit, event, settings, shop

LAG_MS = 10


def arrival(what: Any, lag_ms: int = LAG_MS, **fields: Any) -> Arrival:
    return Arrival(msgspec.json.encode(what), what.timestamp + lag_ms, **fields)


def logged(visit: Visit) -> list[LoggedDecision]:
    records = [record for effect in visit.effects for record in effect.records]
    return in_order(msgspec.json.decode(r.value, type=LoggedDecision) for r in records if r.kind == "decisions")


def rewards_in_log(visit: Visit) -> dict[tuple[str, str], float]:
    lines = [
        line
        for effect in visit.effects
        for record in effect.records
        if record.kind == "outcomes"
        for line in record.value.split(b"\n")
    ]
    outcomes = [msgspec.json.decode(line, type=LoggedOutcome) for line in lines]
    return {
        (o.decision_id, o.product_id): o.reward for o in sorted(outcomes, key=lambda o: o.seq) if o.kind != "retract"
    }


def gone_again(
    visit: Visit, arrivals: list[Arrival], configuration: Settings | None = None, until_ms: int = T0 + MINUTE
) -> Retraced:
    assert visit.profile is not None
    fresh = shop(configuration)
    published = (visit.profile["generation"], visit.profile["version"])
    return retrace(fresh.settings, fresh.chooser, SESSION, arrivals, logged(visit), published, until_ms)


def agrees(visit: Visit, retraced: Retraced) -> bool:
    assert visit.profile is not None
    assert retraced.as_published is not None
    rules = visit.personalizer.settings
    return not differences(visit.profile, retraced.as_published, rules.reward.weights, rules.session.decay)


def test_the_session_comes_out_as_it_was_with_its_exposures_and_rewards() -> None:
    visit = Visit(shop())
    events = [event(at_ms=0), event("add_to_cart", 1_000)]
    visit.send(*events)
    events.append(visit.impression(2_000))
    visit.send(events[-1])
    assert visit.profile is not None
    third = visit.profile["score_data"][2]["product_id"]
    events.append(event(at_ms=3_000, product_id=third, category_id=None, decision_id=visit.profile["decision_id"]))
    events.append(event("feedback", 4_000, product_id="product-9", feedback={"kind": "thumb", "value": -1}))
    visit.send(*events[-2:])
    retraced = gone_again(visit, [arrival(each) for each in events])
    assert agrees(visit, retraced)
    session = retraced.session
    assert session is not None
    assert [each.fate for each in retraced.inputs] == ["used"] * 5
    ours = {(e.decision_id, e.product_id): e.reward for e in session.exposures}
    theirs = {(e.decision_id, e.product_id): e.reward for e in visit.session.exposures}
    assert ours == theirs
    assert len(ours) == 10
    assert max(ours.values()) > 0
    assert session.sends_impressions


def test_what_was_assumed_to_be_seen_is_assumed_again() -> None:
    visit = Visit(shop())
    events = [event(at_ms=0), event(at_ms=5_000, product_id="product-2")]
    visit.send(*events)
    retraced = gone_again(visit, [arrival(each) for each in events])
    assert retraced.session is not None
    assert {(e.decision_id, e.product_id) for e in retraced.session.exposures} == set(rewards_in_log(visit))
    assert len(retraced.session.exposures) == 5


def test_each_input_has_its_fate() -> None:
    small = settings(session={"max_events": 2})
    visit = Visit(shop(small))
    first, second = event(at_ms=0), event(at_ms=1_000, product_id="product-2")
    third = event(at_ms=2_000, product_id="product-3")
    visit.send(first, second, second, third, event(at_ms=500, product_id="product-4"))
    arrivals = [arrival(first), arrival(second), arrival(second, 20), arrival(third)]
    arrivals += [arrival(event(at_ms=500, product_id="product-4"), 4_000)]
    arrivals += [
        arrival(event(at_ms=3_000), 2_000, is_late=True),
        arrival(event(at_ms=5_000), refusal="internal_error"),
    ]
    arrivals += [Arrival(b'{"session_id": "session-1"}', T0 + 6_000), Arrival(None, T0 + 7_000)]
    retraced = gone_again(visit, arrivals, small)
    fates = [each.fate for each in retraced.inputs]
    assert fates == [
        "gone", "used", "duplicate", "used", "dropped", "late", "refused", "refused", "refused",
    ]  # fmt: skip
    details = [each.detail.partition(":")[0] for each in retraced.inputs if each.fate == "refused"]
    assert details == ["internal_error", "missing_field", "empty"]
    assert agrees(visit, retraced)


@pytest.mark.parametrize("kind", ["erase", "consent"])
def test_what_was_forgotten_stays_so(kind: str) -> None:
    visit = Visit(shop())
    fields: dict[str, Any] = {"granted": False} if kind == "consent" else {}
    events = [event(at_ms=0), event(kind, 1_000, **fields)]
    visit.send(*events)
    retraced = gone_again_without_profile([arrival(each) for each in events])
    assert retraced.session is not None
    assert not retraced.session.recent.events
    assert [each.fate for each in retraced.inputs] == ["gone", "forgetting"]


def gone_again_without_profile(arrivals: list[Arrival]) -> Retraced:
    fresh = shop()
    return retrace(fresh.settings, fresh.chooser, SESSION, arrivals)


def test_a_session_whose_life_is_over_is_gone() -> None:
    retraced = retrace(shop().settings, shop().chooser, SESSION, [arrival(event())], until_ms=T0 + 50 * HOUR)
    assert retraced.session is None
    assert [each.fate for each in retraced.inputs] == ["gone"]


def test_the_profile_is_held_against_the_session_at_its_version_and_not_a_later_one() -> None:
    visit = Visit(shop())
    visit.send(event(at_ms=0))
    retraced = gone_again(visit, [arrival(event(at_ms=0)), arrival(event(at_ms=1_000, product_id="product-2"))])
    assert agrees(visit, retraced)
    assert retraced.session is not None
    assert retraced.session.applied == 2


def test_what_is_missing_is_told_by_what_differs() -> None:
    visit = Visit(shop())
    events = [event(at_ms=0), event(at_ms=1_000, product_id="product-2"), event(at_ms=2_000, product_id="product-3")]
    visit.send(*events)
    retraced = gone_again(visit, [arrival(each) for each in events[1:]])
    assert retraced.as_published is None
    assert retraced.session is not None
    assert visit.profile is not None
    rules = visit.personalizer.settings
    found = differences(visit.profile, retraced.session, rules.reward.weights, rules.session.decay)
    assert {each.what for each in found} == {
        "generation", "applied", "affinity product-1", "affinity category-1",
    }  # fmt: skip
    [lost] = [each for each in found if each.what == "affinity product-1"]
    assert (lost.published, lost.rebuilt) == (0.81, None)


def test_nothing_is_published_on_the_way_and_models_and_sessions_stay_apart() -> None:
    fresh = shop()
    fresh.chooser.choose = None  # type: ignore[method-assign, assignment]
    retraced = retrace(fresh.settings, fresh.chooser, SESSION, [arrival(event(at_ms=at)) for at in (0, 1, 2, 3)])
    assert retraced.session is not None
    assert retraced.session.slates == []
    assert retraced.session.pending_ms == 0
