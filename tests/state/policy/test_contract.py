"""What every policy must do."""

import copy
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.policy import NO_RULES, Decision, Rules, combine
from tests.state.policy.beliefs import (
    BURIED_AND_BLOCKED,
    POLICIES,
    WITH_A_PIN,
    Excluding,
    Merchandising,
    balanced,
    belief_of,
    policy,
    shop_rules,
)
from tests.state.policy.lab import Experiment, World, uniform_reward

RULES = {
    "none": NO_RULES,
    "excluding": Excluding([0, 4], 2),
    "merchandising": Merchandising(5),
    "configured": shop_rules(9, **BURIED_AND_BLOCKED),
    "configured with a pin": shop_rules(9, **WITH_A_PIN),
    "capped": balanced(NO_RULES, 9, weight=0.0),
    "capped and diverse": balanced(NO_RULES, 9),
    "capped and diverse around a pin": balanced(shop_rules(9, **WITH_A_PIN), 9, (2, 2)),
    "combined": combine(shop_rules(9, **WITH_A_PIN), Merchandising(5)),
}
every_policy = pytest.mark.parametrize("name", POLICIES)
under_any_rules = pytest.mark.parametrize("rules", RULES.values(), ids=RULES)


def decision(name: str, n: int = 9, rules: Rules = NO_RULES, seed: int = 1) -> Decision:
    return policy(name).decide(belief_of(n), np.random.default_rng(seed), rules)


@every_policy
@under_any_rules
def test_the_same_seed_gives_the_same_slate(name: str, rules: Rules) -> None:
    slates = [decision(name, rules=rules, seed=s).choose(6, np.random.default_rng(s)) for s in (5, 5, 6, 7, 8, 9)]
    assert slates[0] == slates[1]
    assert any(slate != slates[0] for slate in slates[2:])


@every_policy
@under_any_rules
def test_inputs_and_decision_stay_untouched(name: str, rules: Rules) -> None:
    """Belief's arrays are read-only in these tests; a decision may be asked again."""
    made = decision(name, rules=rules)
    before = copy.deepcopy(vars(made))
    first = made.choose(6, np.random.default_rng(2))
    made.distribution(first.order[:2])
    assert made.choose(6, np.random.default_rng(2)) == first
    for key, value in before.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, getattr(made, key))


@every_policy
@under_any_rules
@given(prefix=st.permutations(range(9)).flatmap(lambda order: st.integers(0, 9).map(lambda k: order[:k])))
@settings(deadline=None, max_examples=25)
def test_a_distribution_sums_to_one_over_the_eligible(name: str, rules: Rules, prefix: list[int]) -> None:
    made = decision(name, rules=rules)
    probabilities = made.distribution(prefix)
    pinned = rules.pinned(prefix)
    eligible = rules.eligible(9, prefix)
    if pinned is not None:
        assert probabilities[pinned] == 1
        assert probabilities.sum() == 1
    elif not eligible.any():
        assert not probabilities.any()
    else:
        assert probabilities.sum() == pytest.approx(1, abs=1e-12)
        assert not probabilities[~eligible].any()
        assert probabilities[eligible].min() >= made.floor / eligible.sum() * (1 - 1e-12)


@every_policy
@under_any_rules
@pytest.mark.parametrize("seed", range(5))
def test_propensities_are_those_of_the_distribution(name: str, rules: Rules, seed: int) -> None:
    made = decision(name, rules=rules, seed=seed)
    choice = made.choose(7, np.random.default_rng(seed))
    assert len(set(choice.order)) == len(choice.order)
    above: list[int] = []
    for item, propensity, pinned in zip(choice.order, choice.propensity, choice.pinned, strict=True):
        assert propensity == pytest.approx(made.distribution(above)[item], rel=1e-9)
        assert pinned == (rules.pinned(above) == item)
        above.append(item)


@every_policy
@under_any_rules
def test_explored_means_that_a_better_one_was_left(name: str, rules: Rules) -> None:
    made = decision(name, rules=rules)
    choice = made.choose(7, np.random.default_rng(3))
    above: list[int] = []
    for item, explored, pinned in zip(choice.order, choice.explored, choice.pinned, strict=True):
        values = np.where(rules.eligible(9, above), rules.rescore(made.values, above), -np.inf)
        assert explored == (not pinned and item != values.argmax())
        above.append(item)


@every_policy
@pytest.mark.parametrize(("n", "slots"), [(0, 20), (1, 20), (3, 20), (40, 20), (5, 0)])
def test_a_slate_is_as_long_as_candidates_and_slots_allow(name: str, n: int, slots: int) -> None:
    choice = decision(name, n).choose(slots, np.random.default_rng(4))
    assert len(choice.order) == len(choice.propensity) == len(choice.explored) == len(choice.pinned) == min(n, slots)


@every_policy
def test_exclusions_may_leave_nothing(name: str) -> None:
    assert decision(name, 4, Excluding(range(4), 0)).choose(3, np.random.default_rng(1)).order == []


@every_policy
def test_without_a_floor_it_still_chooses(name: str) -> None:
    made = policy(name, floor=0.0).decide(belief_of(9), np.random.default_rng(1))
    assert made.distribution(()).sum() == pytest.approx(1)
    assert min(made.choose(9, np.random.default_rng(1)).propensity) > 0


@every_policy
def test_a_cold_model_is_no_error(name: str) -> None:
    """No exposures at all, all means 0: as before the first snapshot."""
    nothing = np.zeros(9)
    cold = dataclasses.replace(belief_of(9), mean=nothing, exposures=nothing, rewards=nothing, total=0.0)
    made = policy(name).decide(cold, np.random.default_rng(1))
    assert np.isfinite(made.choose(9, np.random.default_rng(1)).propensity).all()


@pytest.mark.parametrize("name", [name for name in POLICIES if name != "uniform"])
def test_it_earns_more_than_random_choice(name: str) -> None:
    """At a fixed seed, in a shop where products differ and visitors like one category of three."""
    world = World(products=12, categories=3, spread=1.0)
    experiment = Experiment(world, 11, policy=name, confidence=0.3 if name in ("ucb1", "bayes_ucb") else 1.0)
    experiment.list_products(range(12))
    rewards = experiment.rounds(60, sessions=10)
    assert np.mean(rewards[20:]) > 1.15 * uniform_reward(world)
