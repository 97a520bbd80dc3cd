"""Caps and diversity: what may follow, what is given up and when, and that kernels and rules mean the same."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.kernels import Balance, liken
from state.policy import Rules, combine
from state.policy.balance import Balanced
from tests.state.policy.beliefs import POLICIES, WITH_A_PIN, belief_of, policy, shop_rules

every_policy = pytest.mark.parametrize("name", POLICIES)
MANY = 99


def balance(codes: list[int], personal: list[bool], caps: tuple[int, int], weight: float = 0.0) -> Balance:
    n = len(codes)
    rng = np.random.default_rng(11)
    price, rating = rng.random((2, n), dtype=np.float32)
    return Balance(np.array(codes), np.array(personal, dtype=np.bool_), np.array(caps), weight, price, rating)


def eligible(rules: Rules, n: int, *prefix: int) -> list[int]:
    open_: list[int] = np.flatnonzero(rules.eligible(n, prefix)).tolist()
    return open_


def test_a_category_that_is_full_has_no_further_item() -> None:
    rules = Balanced(Rules(), balance([1, 1, 1, 2, 2, 0, 0, 0], [False] * 8, (2, MANY)))
    assert eligible(rules, 8, 0) == [1, 2, 3, 4, 5, 6, 7]
    assert eligible(rules, 8, 0, 2) == [3, 4, 5, 6, 7]
    assert eligible(rules, 8, 5, 6, 0, 1, 3, 4) == [7], "an unknown category is none, and never full"


def test_the_personal_share_is_given_up_before_the_category() -> None:
    """1 both hold; 2 all that is left is personal; 3 and of a full category."""
    rules = Balanced(Rules(), balance([1, 1, 1, 2, 2], [True, True, True, True, False], (2, 1)))
    assert eligible(rules, 5, 0) == [4]
    assert eligible(rules, 5, 0, 4) == [1, 2, 3]
    assert eligible(rules, 5, 0, 4, 1) == [3]
    assert eligible(rules, 5, 0, 4, 1, 3) == [2]
    assert eligible(rules, 5, 0, 4, 1, 3, 2) == []


def test_what_other_rules_forbid_is_not_what_a_cap_is_kept_up_for() -> None:
    """Product 4 alone is of another category, and blocked: so the cap is given up. Pinned items count as they are shown."""
    blocked = shop_rules(5, block={"products": ["product-4"]})
    rules = Balanced(blocked, balance([1, 1, 1, 1, 2], [False] * 5, (2, MANY)))
    assert eligible(rules, 5, 0, 1) == [2, 3]
    around = Balanced(
        shop_rules(5, pin=[{"product": "product-0", "position": 0}]), balance([1, 1, 1, 2, 2], [False] * 5, (2, 9))
    )
    assert around.pinned(()) == 0
    assert eligible(around, 5, 0, 1) == [3, 4]


def test_likeness_is_of_category_price_and_rating() -> None:
    """Features: a factor of two in price is ln 2 / 8, a star is ½."""
    codes = np.array([1, 1, 1, 1, 2, 0, 0])
    price = np.array([0.3, 0.3, 0.3 + np.log(2) / 16, 0.9, 0.3, 0.3, 0.3], dtype=np.float32)
    rating = np.array([0.5, 0.5, 0.25, -0.5, 0.5, 0.5, 0.5], dtype=np.float32)
    penalty = np.zeros(7, dtype=np.float32)
    alike = Balance(codes, codes > 0, np.array([MANY, MANY]), 0.1, price, rating)
    liken(penalty, 0, alike)
    np.testing.assert_allclose(penalty, [0.1, 0.1, 0.075, 0.05, 0, 0, 0], atol=1e-7)
    liken(penalty, 5, alike)
    np.testing.assert_allclose(penalty, [0.1, 0.1, 0.075, 0.05, 0, 0, 0], atol=1e-7)
    liken(penalty, 3, alike)
    np.testing.assert_allclose(penalty[:4], [0.1, 0.1, 0.075, 0.1], atol=1e-7)


def test_every_draw_and_the_values_lose_alike_and_nothing_is_lost_at_the_top() -> None:
    weighing = balance([1, 1, 2, 2], [False] * 4, (MANY, MANY), weight=0.2)
    rules = Balanced(Rules(), weighing)
    scores = np.arange(8.0, dtype=np.float32).reshape(2, 4)
    np.testing.assert_array_equal(rules.rescore(scores, ()), scores)
    lost = scores - rules.rescore(scores, (1,))
    assert (lost[:, 2:] == 0).all()
    np.testing.assert_allclose(lost[0], lost[1], atol=1e-6)
    assert 0.1 - 1e-6 <= lost[0, 0] <= 0.2 + 1e-6
    np.testing.assert_allclose(scores[0] - rules.rescore(scores[0], (1,)), lost[0], atol=1e-6)
    assert rules.rescore(scores, (1,)).dtype == np.float32


shops: Any = st.integers(2, 14).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 4), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.tuples(st.integers(1, 4), st.integers(0, 4)),
        st.sampled_from([0.0, 0.05]),
        st.sampled_from(
            [{}, {"block": {"products": ["product-1"]}}, {"pin": [{"product": "product-0", "position": 1}]}]
        ),
    )
)


@every_policy
@given(shops, st.integers(0, 5))
@settings(deadline=None, max_examples=30)
def test_caps_hold_in_every_slate_until_they_are_given_up(name: str, shop: Any, seed: int) -> None:
    """Of whatever policy; and each item's propensity and `explored` are those of the rules, item by item."""
    codes, personal, caps, weight, shops_own = shop
    n = len(codes)
    base = shop_rules(n, **shops_own)
    rules = Balanced(base, balance(codes, personal, caps, weight))
    made = policy(name).decide(belief_of(n), np.random.default_rng(seed), rules)
    choice = made.choose(8, np.random.default_rng(seed))
    assert len(choice.order) == min(8, n - ("block" in shops_own))
    for slot, item in enumerate(choice.order):
        above = choice.order[:slot]
        assert choice.propensity[slot] == pytest.approx(made.distribution(above)[item], rel=1e-9)
        assert choice.pinned[slot] == (base.pinned(above) == item)
        if choice.pinned[slot]:
            continue
        open_: list[int] = np.flatnonzero(base.eligible(n, above)).tolist()
        has_room = [i for i in open_ if not codes[i] or sum(codes[j] == codes[i] for j in above) < caps[0]]
        impersonal = [i for i in has_room if not personal[i] or sum(personal[j] for j in above) < caps[1]]
        assert item in (impersonal or has_room or open_)
        values = np.where(rules.eligible(n, above), rules.rescore(made.values, above), -np.inf)
        assert choice.explored[slot] == (item != values.argmax())


@every_policy
def test_a_plan_and_the_steps_draw_alike(name: str) -> None:
    """The kernel against the generic way, which asks for each slot's distribution: frequencies of whole slates."""
    rules = Balanced(
        shop_rules(5, **WITH_A_PIN), balance([1, 1, 2, 2, 3], [True, True, False, True, False], (1, 1), 0.05)
    )
    made = policy(name).decide(belief_of(5), np.random.default_rng(1), rules)
    rng = np.random.default_rng(2)
    orders = [tuple(made.choose(3, rng).order) for _ in range(3_000)]
    for order in set(orders):
        chance = np.prod([made.distribution(order[:slot])[item] for slot, item in enumerate(order)])
        assert orders.count(order) / 3_000 == pytest.approx(chance, abs=4.5 * np.sqrt(chance * (1 - chance) / 3_000))


def test_rules_that_look_at_the_items_above_in_another_way_are_not_taken_apart() -> None:
    weighing, capping = (Balanced(Rules(), balance([1, 1], [False] * 2, (1, 1), weight)) for weight in (0.1, 0.0))
    scoring = shop_rules(2, bury=[{"product": "product-0", "factor": 0.5}])
    assert combine(weighing, scoring).plan() is None, "what is lost for likeness would be buried"
    assert combine(capping, scoring).plan() is not None
    assert combine(weighing, capping).plan() is None
    assert combine(scoring, weighing).plan() is not None
