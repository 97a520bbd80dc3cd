"""What the order of arrival and duplicates may not change."""

import uuid
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from state.events.event import Event
from tests.state.shop import SESSION, T0, Visit, event, shop
from tests.state.shop import settings as configured

PERSONALIZER = shop(configured(session={"max_events": 12}))
TYPES = ("product_view", "category_view", "add_to_cart", "checkout", "hover", "feedback")


@st.composite
def events(draw: st.DrawFn) -> list[Event]:
    """Distinct events with many equal timestamps; some bring an id, some do not."""
    found: dict[str, Event] = {}
    for index in range(draw(st.integers(1, 18))):
        kind = draw(st.sampled_from(TYPES))
        product, category = draw(st.integers(0, 5)), draw(st.integers(0, 3))
        fields: dict[str, Any] = {"category_id": f"category-{category}"}
        if kind != "category_view":
            fields["product_id"] = f"product-{product}"
        if kind == "feedback":
            fields["feedback"] = {"kind": "thumb", "value": draw(st.sampled_from([-1, 1]))}
        if kind == "checkout":
            fields["items"] = [{"product_id": f"product-{i}"} for i in range(draw(st.integers(0, 4)))]
        if draw(st.booleans()):
            fields["event_id"] = str(uuid.UUID(int=index + 1)) if draw(st.booleans()) else f"e{index}"
        made = event(kind, draw(st.integers(0, 8)) * 250_000, **fields)
        found.setdefault(made.identity, made)
    return list(found.values())


def outcome(sequence: list[Event]) -> tuple[Any, Any, Any, dict[str, int]]:
    visit = Visit(PERSONALIZER)
    visit.send(*sequence)
    assert visit.profile is not None
    return visit.profile["affinities"], visit.profile["windows"], visit.profile["last_event"], visit.profile["counts"]


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_order_and_duplicates_change_nothing_but_the_counts(data: st.DataObject) -> None:
    sequence = data.draw(events())
    repeated = sequence + data.draw(st.lists(st.sampled_from(sequence), max_size=10))
    plain = outcome(sorted(sequence, key=lambda e: (e.timestamp, e.identity)))
    shuffled = outcome(data.draw(st.permutations(repeated)))
    assert shuffled[:3] == plain[:3]
    assert sum(shuffled[3].values()) == len(repeated)
    if len(sequence) <= 12:
        assert shuffled[3] == {"applied": len(sequence), "duplicates": len(repeated) - len(sequence), "dropped": 0}


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_erasure_and_withdrawal_work_in_any_order(data: st.DataObject) -> None:
    """What is not later than an erasure or a withdrawal is gone, whether it came before or comes after."""
    sequence = data.draw(events())
    kind = data.draw(st.sampled_from(["erase", "consent"]))
    at_ms = data.draw(st.integers(0, 8)) * 250_000 + 1
    word = event(kind, at_ms, **({"granted": False} if kind == "consent" else {}))
    visit = Visit(PERSONALIZER)
    visit.send(*data.draw(st.permutations([*sequence, word])))
    kept = [e for e in sequence if e.timestamp > word.timestamp] if kind == "erase" else []
    if not kept:
        assert visit.profile is None
        assert visit.session.recent.events == []
    else:
        assert visit.profile is not None
        assert (visit.profile["affinities"], visit.profile["windows"], visit.profile["last_event"]) == outcome(kept)[:3]


@given(st.permutations([("w", 10), ("g", 20), ("w", 30), ("g", 40), ("g", 50)]))
def test_the_latest_consent_by_time_counts(words: list[tuple[str, int]]) -> None:
    visit = Visit(PERSONALIZER)
    visit.send(*(event("consent", at, granted=kind == "g") for kind, at in words))
    assert visit.session.consent.is_given(denied_by_default=False)
    assert visit.session.consent.usable_after_ms(denied_by_default=False) == T0 + 39


@given(events())
@settings(deadline=None, max_examples=50)
def test_state_and_profile_round_trip(sequence: list[Event]) -> None:
    visit = Visit(PERSONALIZER)
    visit.send(*sequence)
    assert visit.data is not None
    assert visit.session.encode() == visit.data
    write = visit.effects[-1].write
    assert write is not None
    assert msgspec.json.decode(write.profile)["session_id"] == SESSION


@given(st.data())
@settings(deadline=None, max_examples=30)
def test_bounds_hold_for_long_sessions_of_large_events(data: st.DataObject) -> None:
    visit = Visit(PERSONALIZER)
    ids = data.draw(st.lists(st.text("abc", min_size=100, max_size=128), min_size=5, max_size=5))
    for index in range(40):
        items = [{"product_id": f"{ids[i % 5]}{i}"[:128]} for i in range(60)]
        visit.send(event("checkout", index * 1_000, event_id=f"e{index}", product_id=None, items=items))
        visit.send(visit.impression(index * 1_000 + 500, items=20, event_id=f"i{index}"))
    session = visit.session
    assert len(session.recent.events) <= 12
    assert sum(len(e.products) for e in session.recent.events) <= max(48, 60)
    assert len(session.slates) <= 2
    assert len(session.exposures) <= 32
    write = next(effect.write for effect in reversed(visit.effects) if effect.write)
    assert len(write.profile) <= 4_096


@given(events())
@settings(deadline=None, max_examples=60)
def test_scores_and_reasons_sum_to_one(sequence: list[Event]) -> None:
    visit = Visit(PERSONALIZER)
    visit.send(*sequence)
    assert visit.profile is not None
    items = visit.profile["score_data"]
    assert abs(sum(item["score"] for item in items) - 1) < 1e-4
    assert len({item["product_id"] for item in items}) == len(items) <= 20
    for item in items:
        assert abs(sum(reason["share"] for reason in item["reasons"]) - 1) < 1e-9
        assert 0 < item["propensity"] <= 1
        assert not item["explored"] or item["reasons"] == [{"code": "exploration", "share": 1.0}]
