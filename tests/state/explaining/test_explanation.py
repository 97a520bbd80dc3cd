"""What an explanation says holds against the very code that chooses."""

from typing import Any

import numpy as np
import pytest

from state.candidates.sources.names import SOURCES
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.configuration import Decay
from state.explaining.contenders import OWN_EFFECT, contenders
from state.explaining.explanation import Explanation, acquaintance, explain, used_events
from state.explaining.left_out import REASONS
from state.explaining.retracing import slate_of
from state.personalizer import Personalizer
from state.session.activation import status_of
from state.session.interest import interest
from tests.state.explaining.test_retracing import logged
from tests.state.shop import SESSION, T0, Visit, event, predictor_of, settings, shop

EVENTS = [
    event(at_ms=0),
    event("category_view", 1_000, category_id="category-2"),
    event("add_to_cart", 2_000),
    event("hover", 3_000, product_id="product-3"),
    event("feedback", 4_000, product_id="product-5", category_id="category-1", feedback={"kind": "thumb", "value": -1}),
    event(at_ms=5_000, product_id="product-6", category_id="category-2"),
    event("checkout", 6_000, product_id="product-7", category_id="category-3"),
]


def visited(personalizer: Personalizer, *extra: Any) -> Visit:
    visit = Visit(personalizer)
    visit.send(*EVENTS, *extra)
    return visit


def explained(visit: Visit, asked: tuple[str, ...] = ()) -> Explanation:
    personalizer = visit.personalizer
    context = personalizer.publisher.context(visit.session, T0 + 10_000)
    return explain(visit.session, context, personalizer.chooser.of(SESSION), asked=asked)


@pytest.mark.parametrize("mode", ["step", "half_life"])
def test_contributions_add_up_to_the_affinities(mode: Any) -> None:
    decay = Decay(mode=mode)
    visit = visited(shop())
    weights = visit.personalizer.settings.reward.weights
    events = visit.session.recent.events
    used, whole = used_events(events, weights, decay), interest(events, weights, decay)
    for found, name in ((whole.products, "to_products"), (whole.categories, "to_categories")):
        sums: dict[str, float] = {}
        for each in used:
            for key, value in getattr(each, name).items():
                sums[key] = sums.get(key, 0.0) + value
        assert sums == pytest.approx(found, abs=1e-5)
    assert [each.event_type for each in used] == [e.event_type for e in reversed(events)]
    for each in used:
        for value in each.to_products.values():
            assert value == pytest.approx(each.weight * each.decay, abs=1e-5)
    assert {each.weight for each in used if each.event_type == "hover"} == {0.0}


def with_model(visit: Visit) -> None:
    visit.send(visit.impression(7_000, items=20), event(at_ms=8_000, product_id="product-2", category_id="category-2"))
    chooser = visit.personalizer.chooser
    chooser.use_model(predictor_of(visit.examples(), len(visit.session.slates[0].matrix()[0]), T0 + 9_000))


@pytest.mark.parametrize("learned", [False, True])
@pytest.mark.parametrize("policy", ["thompson_linear", "epsilon_greedy", "lin_ucb", "softmax"])
def test_terms_add_up_to_what_is_expected(policy: str, learned: bool) -> None:
    visit = visited(shop(settings(bandit={"policy": policy})))
    if learned:
        with_model(visit)
    found = explained(visit).contenders
    assert len(found) > 20
    assert any(OWN_EFFECT in each.terms for each in found) == learned
    for each in found:
        assert sum(each.terms.values()) == pytest.approx(each.expected, abs=1e-4)
        assert each.source in SOURCES


def test_probabilities_are_those_of_the_policy() -> None:
    visit = visited(shop(settings(bandit={"policy": "softmax", "temperature": 0.05})))
    personalizer = visit.personalizer
    context = personalizer.publisher.context(visit.session, T0 + 10_000)
    considered = personalizer.chooser.consider(context, 100)
    found = contenders(personalizer.chooser, considered)
    assert sum(each.first for each in found) == pytest.approx(1)
    assert sum(each.listed for each in found) == pytest.approx(personalizer.settings.profile.items)
    decision = personalizer.chooser.policy.decide(considered.belief, np.random.default_rng(1), considered.rules)
    ours = {each.product_id: each.first for each in found}
    theirs = dict(zip(considered.candidates.product_ids, decision.distribution(()).tolist(), strict=True))
    assert ours == pytest.approx(theirs)


def test_what_is_left_out_has_its_reason() -> None:
    rules = {
        "block": {"products": ["product-10"], "categories": ["category-3"]},
        "only": [{"product": "product-8", "category": "category-1"}],
    }
    asked = ("product-8", "product-10", "product-11", "nowhere", "product-5", "product-1")
    visit = visited(shop(settings(rules=rules)), event(at_ms=7_000, product_id="gone", category_id="category-2"))
    told = explained(visit, asked)
    reasons = {each.product_id: each.reason for each in told.left_out}
    assert reasons["product-5"] == "thumb_down"
    assert reasons["product-10"] == "blocked"
    assert reasons["product-11"] == "blocked"  # by its category
    assert reasons["product-7"] == "bought"
    assert reasons["product-8"] == "only_elsewhere"
    assert reasons["gone"] == "not_held"
    assert reasons["nowhere"] == "not_held"
    assert "product-1" not in reasons
    assert set(reasons.values()) <= set(REASONS)
    by_name = {each.product_id: each for each in told.contenders}
    assert by_name["product-10"].why_not == "blocked"
    assert by_name["product-10"].listed == 0
    assert "product-5" not in by_name


def test_what_is_out_of_stock_is_told_from_what_is_not_held() -> None:
    visit = visited(shop())
    visit.personalizer.chooser.catalogue.put(Product("product-6", "category-2", in_stock=False))
    told = {each.product_id: each.reason for each in explained(visit, ("nowhere",)).left_out}
    assert told["product-6"] == "out_of_stock"
    assert told["nowhere"] == "not_held"


def test_what_was_shown_often_enough_is_left_out_for_that() -> None:
    visit = Visit(shop(settings(variety={"times_shown": 2}, exposure={"mode": "explicit"})))
    visit.send(event(at_ms=0))
    for at in (1_000, 2_000):
        assert visit.profile is not None
        top = visit.profile["score_data"][0]["product_id"]
        shown = event("impression", at, decision_id=visit.profile["decision_id"], shown=["product-9", top])
        visit.send(shown, event(at_ms=at + 1))
    often = {product for product, times in visit.session.shown.items() if times >= 2}
    told = {each.product_id: (each.reason, each.detail) for each in explained(visit).left_out}
    assert {product for product, (reason, _) in told.items() if reason == "shown_too_often"} == often
    assert {told[product][1] for product in often} <= {"2 times"}
    assert "product-9" in often


@pytest.mark.parametrize("cap", ["category_share", "personal_share"])
def test_what_a_cap_keeps_out_is_told_from_what_is_less_likely(cap: str) -> None:
    caps = {"category_share": 1.0, "personal_share": 1.0, cap: 0.25}
    bandit = {"policy": "epsilon_greedy", "epsilon": 0.0, "floor": 0.0}
    visit = Visit(shop(settings(profile={"items": 4}, variety=caps, bandit=bandit)))
    visit.send(event(at_ms=0), event(at_ms=1_000, product_id="product-5"))
    found = explained(visit).contenders
    barred = [each for each in found if each.why_not == cap]
    assert barred
    if cap == "category_share":
        assert {each.category_id for each in barred} >= {"category-1"}
    others = {"category_share", "personal_share"} - {cap}
    assert not others & {each.why_not for each in found}


def test_a_product_that_no_source_offers_is_said_to_be_so() -> None:
    sources = {name: 0 for name in SOURCES if name not in ("rules", "own")}
    configuration = settings(candidates={"max": 2, "sources": sources | {"own": 1}})
    visit = Visit(shop(configuration))
    visit.send(event(at_ms=0, product_id="product-1"), event(at_ms=1, product_id="product-2", category_id="category-2"))
    names = {each.product_id for each in explained(visit).contenders}
    outside = sorted({f"product-{i}" for i in range(40)} - names)
    told = explained(visit, tuple(outside))
    left = {each.product_id: each.reason for each in told.left_out}
    now = {each.product_id for each in told.contenders}
    assert {left[product] for product in outside if product not in now} == {"no_source"}


def test_others_are_less_likely_and_sources_are_counted() -> None:
    told = explained(visited(shop()))
    assert sum(told.sources.values()) == len(told.contenders)
    assert told.sources["own"] >= 2
    out = [each for each in told.contenders if each.listed < 0.5]
    assert {each.why_not for each in out} <= {"less_likely", "category_share", "personal_share"}
    assert not any(each.why_not for each in told.contenders if each.listed >= 0.5)


def test_the_status_follows_from_the_numbers_that_are_told() -> None:
    personalizer = shop()
    rules = personalizer.settings.session
    visit = Visit(personalizer)
    for each in EVENTS:
        visit.send(each)
        events = visit.session.recent.events
        numbers = acquaintance(events, rules, personalizer.chooser.shelf)
        many = numbers.events >= numbers.active_after
        is_active = (many and numbers.products_and_categories >= numbers.active_variety) or (
            numbers.matching_products >= numbers.active_match
        )
        status = "cold" if numbers.events < numbers.warming_after else "active" if is_active else "warming"
        assert status == status_of(events, rules, personalizer.chooser.shelf.together.viewed_with)


def test_terms_of_the_published_list_are_of_the_features_that_were_scored() -> None:
    visit = visited(shop(settings(decisions={"log": "published"})))
    with_model(visit)
    slate = slate_of(logged(visit)[-1])
    chooser: Chooser = visit.personalizer.chooser
    context = visit.personalizer.publisher.context(visit.session, T0 + 10_000)
    terms = explain(visit.session, context, chooser, slate).slate_terms
    theta = chooser.coefficients(slate)
    assert theta is not None
    assert list(terms) == slate.product_ids
    sums = [sum(each.values()) for each in terms.values()]
    assert sums == pytest.approx((slate.matrix().astype(np.float64) @ theta).tolist(), abs=1e-4)


def test_a_shop_without_products_can_be_explained() -> None:
    told = explained(visited(shop(products=0)))
    assert {each.source for each in told.contenders} <= {"own"}
    assert {each.reason for each in told.left_out} >= {"thumb_down", "not_held"}
