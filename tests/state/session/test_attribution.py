"""Exposures, rewards and what the learner is told."""

import base64
from collections import Counter
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from state.events.event import Event
from state.feature_set import DIMENSION, NAMES
from state.model.sums import Sums
from state.session.exposure import aggregate
from tests.state.shop import HOUR, MINUTE, SESSION, T0, Visit, event, settings, shop


def begun(**overrides: Any) -> Visit:
    """A session with one view and its profile."""
    visit = Visit(shop(settings(**overrides)))
    visit.send(event(event_id="first"))
    return visit


def first_product(visit: Visit, place: int = 0) -> str:
    assert visit.profile is not None
    return str(visit.profile["score_data"][place]["product_id"])


def latest_outcomes(visit: Visit) -> dict[tuple[str, str], dict[str, Any]]:
    """The outcome with the highest seq of each exposure."""
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for record in visit.records("outcomes"):
        key = (record["decision_id"], record["product_id"])
        if key not in latest or record["seq"] > latest[key]["seq"]:
            latest[key] = record
    return latest


def test_an_impression_publishes_nothing_and_logs_its_decision_once() -> None:
    visit = begun()
    first = visit.send(visit.impression(1_000, items=3))
    second = visit.send(visit.impression(2_000, items=5, event_id="scrolled"))
    assert first.write is None
    assert second.write is None
    assert visit.session.applied == 3
    assert len(visit.records("decisions")) == 1
    assert [r["position"] for r in visit.records("outcomes")] == [0, 1, 2, 3, 4]
    assert visit.records("decisions")[0]["exposure"] == "explicit"


def test_a_view_after_an_exposure_is_its_reward() -> None:
    visit = begun(reward={"aggregate": "max"})
    product = first_product(visit)
    visit.send(visit.impression(1_000, items=2))
    visit.send(event("product_view", 5_000, product_id=product))
    visit.send(event("add_to_cart", 9_000, product_id=product))
    rewards = [r["reward"] for r in visit.records("outcomes") if r["kind"] == "reward"]
    assert rewards == pytest.approx([0.2, 0.6])
    examples = visit.examples()
    assert [e.count for e in examples] == [1, 1, 0]
    assert sum(e.reward for e in examples) == pytest.approx(0.6)
    assert sum(e.reward_squared for e in examples) == pytest.approx(0.36)


def test_by_default_the_first_reward_of_an_exposure_is_learned() -> None:
    visit = begun()
    product = first_product(visit)
    visit.send(visit.impression(1_000, items=2))
    visit.send(event("product_view", 5_000, product_id=product))
    visit.send(event("add_to_cart", 9_000, product_id=product))
    assert [r["reward"] for r in visit.records("outcomes") if r["kind"] == "reward"] == pytest.approx([0.2])


def test_an_ignored_exposure_counts_once_when_its_window_closes() -> None:
    visit = begun()
    visit.send(visit.impression(1_000, items=2))
    assert visit.examples() == []
    visit.pass_watermark(T0 + 1_001 + 40 * MINUTE)
    assert [(e.count, e.reward) for e in visit.examples()] == [(1, 0.0), (1, 0.0)]
    assert visit.session.exposures == []
    visit.send(event("product_view", 39 * MINUTE, product_id="product-9"))
    assert len(visit.examples()) == 2


def test_a_reward_outside_the_window_is_none() -> None:
    visit = begun()
    product = first_product(visit)
    visit.send(visit.impression(1_000))
    visit.send(event("product_view", 1_000 + 30 * MINUTE + 1, product_id=product))
    assert not [r for r in visit.records("outcomes") if r["kind"] == "reward"]


def test_the_named_decision_is_rewarded_else_the_latest_and_never_two() -> None:
    visit = begun(decisions={"full_share": 0.0})
    decisions = []
    for at_ms in (1_000, 20_000):
        visit.send(visit.impression(at_ms, items=20, event_id=f"i{at_ms}"))
        assert visit.profile is not None
        decisions.append((visit.profile["decision_id"], {i["product_id"] for i in visit.profile["score_data"]}))
        visit.send(event("search", at_ms + 500, query="x"))
    (older, shown), (newer, also_shown) = decisions
    both = sorted(
        {e.product_id for e in visit.session.exposures if e.decision_id == older}
        & {e.product_id for e in visit.session.exposures if e.decision_id == newer}
        & shown
        & also_shown
    )
    visit.send(event("product_view", 30_000, product_id=both[0], decision_id=older))
    visit.send(event("product_view", 31_000, product_id=both[1]))
    rewarded = {(k[0], k[1]) for k, r in latest_outcomes(visit).items() if r["reward"] > 0}
    assert rewarded == {(older, both[0]), (newer, both[1])}


def test_a_late_impression_moves_the_reward_to_the_exposure_that_was_seen_last() -> None:
    visit = begun()
    product = first_product(visit)
    old = visit.impression(1_000, items=1)
    visit.send(old)
    for moment in range(2_000, 2_010):
        visit.send(event("search", moment, query="x"))
        if product in visit.session.slates[-1].product_ids:
            break
    new = event("impression", 3_000, decision_id=visit.session.slates[-1].decision_id, shown=[product], event_id="late")
    visit.send(event("product_view", 4_000, product_id=product))
    visit.send(new)
    totals = {decision: r["reward"] for (decision, _), r in latest_outcomes(visit).items()}
    assert totals == {old.decision_id: 0.0, new.decision_id: pytest.approx(0.2)}


def test_stay_counts_as_exposure_until_an_impression_says_otherwise() -> None:
    visit = begun()
    assert visit.profile is not None
    slate = visit.session.slates[-1]
    visit.send(event("product_view", 5_000, product_id="product-3", event_id="second"))
    implicit = visit.records("outcomes")
    assert [r["kind"] for r in implicit] == ["exposure"] * 5
    assert visit.records("decisions")[0]["exposure"] == "implicit"
    shown = slate.product_ids[:2]
    visit.send(event("impression", 1_500, decision_id=slate.decision_id, shown=shown, event_id="late"))
    visit.pass_watermark(T0 + HOUR)
    retracted = [r for r in visit.records("outcomes") if r["kind"] == "retract"]
    assert len(retracted) == 5
    assert sum(e.count for e in visit.examples()) == 2
    visit.send(event("product_view", 60_000, product_id="product-5"))
    assert len([r for r in visit.records("outcomes") if r["kind"] == "exposure"]) == 7


def listed_again(**overrides: Any) -> Visit:
    """A session that has viewed product-1 and whose current list has it at the top."""
    return begun(rules={"pin": [{"product": "product-1", "position": 0}]}, **overrides)


def test_what_the_session_had_touched_is_not_learned_where_it_is_only_assumed_to_be_seen() -> None:
    visit = listed_again()
    visit.send(event("product_view", 5_000, event_id="again"))
    assert visit.session.exposures[0].product_id == "product-1"
    assert [r["reward"] for r in visit.records("outcomes") if r["kind"] == "reward"] == pytest.approx([0.2])
    assert len([r for r in visit.records("outcomes") if r["kind"] == "exposure"]) == 5, "the log is complete"
    visit.send(event("add_to_cart", 5_100, event_id="carted"))
    visit.pass_watermark(T0 + HOUR)
    learned = visit.examples()
    assert [e.product_id for e in learned if e.product_id == "product-1"] == []
    assert (sum(e.count for e in learned), sum(e.reward for e in learned)) == (4, 0.0)


def test_what_the_session_had_touched_is_learned_where_an_impression_says_that_it_was_seen() -> None:
    visit = listed_again()
    visit.send(visit.impression(1_000))
    visit.send(event("product_view", 5_000, event_id="again"))
    assert sum(e.reward for e in visit.examples() if e.product_id == "product-1") == pytest.approx(0.2)


def test_an_impression_makes_learned_what_was_assumed_and_not_learned() -> None:
    visit = listed_again()
    slate = visit.session.slates[-1]
    visit.send(event("category_view", 5_000, event_id="stays"))
    visit.send(event("impression", 1_500, decision_id=slate.decision_id, shown=["product-1"], event_id="late"))
    visit.pass_watermark(T0 + HOUR)
    told: Counter[str] = Counter()
    for example in visit.examples():
        told[example.product_id] += int(example.count)
    assert {product: times for product, times in told.items() if times} == {"product-1": 1}


def test_what_an_older_release_has_taught_of_it_is_taken_back_as_a_whole() -> None:
    visit = listed_again()
    slate = visit.session.slates[-1]
    visit.send(event("category_view", 5_000, event_id="stays"))
    session = visit.session
    session.exposures[0].learned_weight = 1
    visit.data = session.encode()
    visit.send(event("impression", 1_500, decision_id=slate.decision_id, shown=["product-2"], event_id="late"))
    assert [e.count for e in visit.examples() if e.product_id == "product-1"] == [-1]


def test_drift_is_watched_over_what_is_learned() -> None:
    visit = listed_again(bandit={"drift": "watch"})
    visit.send(event("product_view", 5_000, event_id="again"))
    visit.pass_watermark(T0 + HOUR)
    found = [
        msgspec.msgpack.decode(record.value)
        for effect in visit.effects
        for record in effect.records
        if record.kind == "examples"
    ]
    assert [watched for watched in found if isinstance(watched, dict)] == [{"default": [0.0] * 4}]


def test_a_hurried_event_is_no_stay_and_explicit_mode_never_assumes() -> None:
    hurried = begun()
    hurried.send(event("product_view", 300, product_id="product-3"))
    assert hurried.records("outcomes") == []
    explicit = begun(exposure={"mode": "explicit"})
    explicit.send(event("product_view", 60_000, product_id="product-3"))
    assert explicit.records("outcomes") == []


def test_open_exposures_are_bounded_and_the_oldest_closes_early() -> None:
    visit = begun()
    for number in range(4):
        visit.send(visit.impression(1_000 + number * 10_000, items=20, event_id=f"i{number}"))
        visit.send(event("search", 5_000 + number * 10_000, query="x", event_id=f"s{number}"))
    assert len(visit.session.exposures) == 32
    assert sum(e.counts.get("exposures_closed_early", 0) for e in visit.effects) == 80 - 32
    visit.pass_watermark(T0 + HOUR)
    assert sum(e.count for e in visit.examples()) == 80


def test_an_unknown_decision_teaches_nothing_and_is_counted() -> None:
    visit = begun()
    effect = visit.send(event("impression", 1_000, decision_id="rolled-back", shown=["product-1"]))
    assert effect.counts["impressions_of_unknown_decisions"] == 1
    assert visit.records("outcomes") == []


def test_thumbs_down_rewards_negatively_and_lowers_product_and_category() -> None:
    visit = begun()
    product = first_product(visit)
    visit.send(visit.impression(1_000, items=1))
    visit.send(event("feedback", 2_000, product_id=product, feedback={"kind": "thumb", "value": -1}))
    assert next(iter(latest_outcomes(visit).values()))["reward"] == pytest.approx(-0.6)
    assert visit.profile is not None
    assert visit.profile["affinities"]["products"][product] < 0


def test_the_end_of_a_session_clears_everything() -> None:
    visit = begun()
    visit.send(visit.impression(1_000))
    visit.pass_watermark(T0 + 1_000 + 48 * HOUR)
    assert visit.data is None
    assert sum(e.count for e in visit.examples()) == 5


@st.composite
def shopping(draw: st.DrawFn) -> list[tuple[str, int, int, int]]:
    """Steps (what, milliseconds since the last, which product or how many items, order of arrival)."""
    what = st.sampled_from(["view", "cart", "impression", "duplicate", "thumb", "named"])
    step = st.tuples(what, st.integers(100, 900_000), st.integers(0, 8), st.integers(0, 2))
    return draw(st.lists(step, min_size=3, max_size=25))


@given(shopping())
@limits(deadline=None, max_examples=120)
def test_the_learners_sums_equal_a_regression_over_the_log(steps: list[tuple[str, int, int, int]]) -> None:
    visit = Visit(shop(settings(decisions={"full_share": 0.0}), products=10))
    sent = _shop_through(visit, steps)
    visit.pass_watermark(T0 + 100 * HOUR)
    learned = Sums(DIMENSION, None)
    learned.add(visit.examples())
    a, b, totals = _regression(visit, {e.event_id for e in sent if e.event_type == "impression"})
    np.testing.assert_allclose(learned.a, a, atol=1e-9)
    np.testing.assert_allclose(learned.b, b, atol=1e-9)
    np.testing.assert_allclose(learned.totals, totals, atol=1e-9)


def _shop_through(visit: Visit, steps: list[tuple[str, int, int, int]]) -> list[Event]:
    at_ms = 0
    sent = [event(event_id="begin")]
    visit.send(sent[0])
    for number, (what, later_ms, which, back) in enumerate(steps):
        at_ms += later_ms
        name, moment = f"e{number}", max(0, at_ms - back * 60_000)
        product = f"product-{which}"
        if what == "impression":
            made = visit.impression(moment, items=which + 1, event_id=name)
        elif what == "duplicate":
            made = sent[which % len(sent)]
        elif what == "thumb":
            made = event("feedback", moment, product_id=product, event_id=name, feedback={"kind": "thumb", "value": -1})
        else:
            decision = visit.session.slates[0].decision_id if what == "named" else None
            kind = "add_to_cart" if what == "cart" else "product_view"
            made = event(kind, moment, product_id=product, event_id=name, decision_id=decision)
        sent.append(made)
        visit.send(made, watermark_ms=T0 + at_ms - MINUTE)
    return sent


def _regression(visit: Visit, impressions: set[str | None]) -> tuple[Any, Any, Any]:
    """What the log alone says: each exposure once, with the reward of its highest seq, unless it was retracted, or the product had
    been touched and no impression showed it."""
    x_of = {
        (d["decision_id"], item["product_id"]): np.frombuffer(base64.b64decode(item["features"]), np.float16)
        for d in visit.records("decisions")
        for item in d["items"]
    }
    exposed_by = {
        (r["decision_id"], r["product_id"]): r["event_id"] for r in visit.records("outcomes") if r["kind"] == "exposure"
    }
    a, b, totals = np.zeros((DIMENSION, DIMENSION)), np.zeros(DIMENSION), np.zeros(3)
    for key, outcome in latest_outcomes(visit).items():
        x, reward = x_of[key].astype(np.float64), outcome["reward"]
        is_known = x[NAMES.index("product_seen")] > 0
        if outcome["kind"] != "retract" and (exposed_by[key] in impressions or not is_known):
            a += np.outer(x, x)
            b += reward * x
            totals += [1, reward, reward**2]
    return a, b, totals


def test_records_of_a_session_are_keyed_by_it() -> None:
    visit = begun()
    visit.send(visit.impression(1_000))
    assert {r.key for effect in visit.effects for r in effect.records} == {SESSION.encode()}


def two_clicks(model: str) -> Visit:
    """Six items seen, the second and the fourth of them viewed."""
    visit = begun(exposure={"model": model})
    visit.send(visit.impression(1_000, items=6))
    shown = visit.session.slates[0].product_ids
    visit.send(event("product_view", 5_000, product_id=shown[1]))
    visit.send(event("product_view", 9_000, product_id=shown[3]))
    return visit


def test_cascade_counts_no_failure_below_the_lowest_click() -> None:
    visit = two_clicks("cascade")
    counts: dict[str, float] = {}
    for example in visit.examples():
        counts[example.product_id] = counts.get(example.product_id, 0) + example.count
    shown = visit.records("decisions")[0]["items"][:6]
    assert [counts.get(item["product_id"], 0) for item in shown] == [1, 1, 1, 1, 0, 0]
    assert sum(e.reward for e in visit.examples()) == pytest.approx(0.4)


def test_auto_learns_all_and_tells_what_lies_below_the_clicks() -> None:
    visit = two_clicks("auto")
    shown = [item["product_id"] for item in visit.records("decisions")[0]["items"][:6]]

    def told() -> list[tuple[float, int, int, int, int]]:
        total = {product: np.zeros(5) for product in shown}
        for e in visit.examples():
            total[e.product_id] += (e.count, e.passed, e.below, e.rewarded, e.rewarded_below)
        return [tuple(total[product].tolist()) for product in shown]

    looked_at, below, passed = (1, 0, 0, 0, 0), (1, 0, 1, 0, 0), (1, 1, 1, 0, 0)
    assert told() == [looked_at, (1, 0, 0, 1, 0), below, (1, 0, 1, 1, 1), passed, passed]
    visit.send(event("product_view", 12_000, product_id=shown[5]))
    assert told()[4:] == [below, (1, 0, 1, 1, 1)]
    visit.send(event("product_view", 14_000, product_id=shown[0]))
    assert told()[:2] == [(1, 0, 0, 1, 0), (1, 0, 1, 1, 1)]


def test_position_weighs_by_how_often_a_place_is_looked_at() -> None:
    visit = begun(exposure={"model": "position"})
    visit.personalizer.chooser.examination = [1.0, 0.5]
    visit.send(visit.impression(1_000, items=2))
    visit.send(event("product_view", 5_000, product_id=first_product(visit, 1)))
    slate = visit.session.slates[0]
    visit.pass_watermark(T0 + HOUR)
    counts = {e.product_id: e.count for e in visit.examples()}
    assert [counts[product] for product in slate.product_ids[:2]] == [1.0, 0.25]
    assert [r["examination"] for r in visit.records("outcomes")[:2]] == [1.0, 0.5]


def thumb(value: int, at_ms: int, product: str) -> Any:
    return event("feedback", at_ms, product_id=product, feedback={"kind": "thumb", "value": value})


def test_a_thumb_down_takes_a_product_off_the_list_until_a_thumb_up() -> None:
    visit = Visit(shop(products=10))

    def shown() -> set[str]:
        assert visit.profile is not None
        return {item["product_id"] for item in visit.profile["score_data"]}

    visit.send(event())
    assert "product-1" in shown()
    visit.send(thumb(-1, 1_000, "product-1"), event("product_view", 2_000, product_id="product-2"))
    assert "product-1" not in shown()
    visit.send(thumb(1, 3_000, "product-1"))
    assert "product-1" in shown()


@pytest.mark.parametrize(
    ("how", "rewards", "total"),
    [
        ("max", [0.2, 0.6, 0.2], 0.6),
        ("max", [0.2, -0.6], -0.4),
        ("max", [1.5], 1.0),
        ("max", [], 0.0),
        ("sum", [0.2, 0.6, 0.6], 1.0),
        ("sum", [0.2, 0.2], 0.4),
        ("sum", [-0.6, -0.6], -1.0),
        ("first", [0.2, 1.0], 0.2),
    ],
)
def test_rewards_of_an_exposure_become_one(how: str, rewards: list[float], total: float) -> None:
    assert aggregate(rewards, how) == pytest.approx(total)


def test_the_papers_boost_raises_the_reward_of_what_was_liked_when_shown() -> None:
    rewards = []
    for boost in (0.0, 0.5):
        visit = begun(reward={"affinity_boost": boost})
        visit.send(visit.impression(1_000, items=20))
        visit.send(event("product_view", 2_000))
        rewards.append(max(r["reward"] for r in visit.records("outcomes")))
    assert rewards[0] == pytest.approx(0.2)
    assert 0.2 < rewards[1] <= 0.3


def test_of_two_impressions_the_earlier_is_the_exposure_whichever_comes_first() -> None:
    visit = begun()
    visit.send(visit.impression(60_000, items=1, event_id="again"))
    visit.send(event("search", 61_000, query="x"))
    visit.send(
        event("impression", 5_000, decision_id=visit.session.slates[0].decision_id, shown=[first_product_of(visit)])
    )
    assert [e.exposed_at_ms for e in visit.session.exposures] == [T0 + 5_000]
    assert [(r["kind"], r["seq"]) for r in visit.records("outcomes")] == [("exposure", 0), ("exposure", 1)]
    assert [(e.exposed_at_ms - T0, e.count) for e in visit.examples()] == [(60_000, 1), (60_000, -1), (5_000, 1)]


def first_product_of(visit: Visit) -> str:
    return visit.session.slates[0].product_ids[0]


def test_what_was_assumed_and_has_closed_is_not_learned_again() -> None:
    visit = begun()
    visit.send(event("search", 5_000, query="x"))
    visit.pass_watermark(T0 + HOUR)
    slate = visit.session.slates[0]
    shown = slate.product_ids[:6]
    visit.send(event("impression", 1_000, decision_id=slate.decision_id, shown=shown), watermark_ms=T0 + HOUR)
    visit.pass_watermark(T0 + 2 * HOUR)
    assert sum(e.count for e in visit.examples()) == 6
    assert [r["kind"] for r in visit.records("outcomes")] == ["exposure"] * 6


def test_what_is_exposed_after_a_retraction_outranks_it() -> None:
    visit = begun()
    visit.send(event("search", 5_000, query="x"))
    slate = visit.session.slates[0]
    visit.send(event("impression", 1_500, decision_id=slate.decision_id, shown=slate.product_ids[:1]))
    assert latest_outcomes(visit)[(slate.decision_id, slate.product_ids[0])]["kind"] == "exposure"
    assert latest_outcomes(visit)[(slate.decision_id, slate.product_ids[1])]["kind"] == "retract"


@pytest.mark.parametrize("seen_before", [False, True])
def test_how_far_a_click_may_precede_the_exposure_it_names_depends_on_no_other(seen_before: bool) -> None:
    """By the disorder of ten minutes, whatever else of the product was seen."""
    visit = begun(exposure={"mode": "explicit"})
    visit.send(event("search", 1_000, query="x"))
    before, second = visit.session.slates
    first = before.decision_id
    product = next(product for product in before.product_ids if product in second.product_ids)
    if seen_before:
        visit.send(event("impression", 0, decision_id=first, shown=[product], event_id="before"))
    visit.send(event("impression", 11 * MINUTE, decision_id=second.decision_id, shown=[product], event_id="named"))
    visit.send(event("product_view", 30_000, product_id=product, decision_id=second.decision_id))
    rewarded = {key[0] for key, outcome in latest_outcomes(visit).items() if outcome["reward"] > 0}
    assert rewarded == ({first} if seen_before else set())
