"""Lists of two minds: propensities are the truth, and whose an item is said to be is what chance made it."""

from collections import Counter

import numpy as np
import pytest

from state.model.sums import CHOSEN, FOLLOWED
from state.policy import Rules
from state.policy.interleaved import Interleaved
from state.policy.sampled import SampledDecision
from tests.state.policy.beliefs import WITH_A_PIN, Excluding, balanced, shop_rules
from tests.state.policy.test_propensity import CANDIDATES, SLOTS, slate_p_value

SLATES = 12_000
ORDER = [5, 1, 3]
RULES = {
    "none": Rules(),
    "excluding": Excluding([5], 2),
    "a pin": shop_rules(CANDIDATES, **WITH_A_PIN),
    "capped": balanced(Rules(), CANDIDATES, weight=0.0),
}


def decision(rules: Rules | None = None, floor: float = 0.2) -> SampledDecision:
    """Draws in which no candidate is always the best."""
    draws = np.random.default_rng(3).normal(size=(8, CANDIDATES)).astype(np.float32)
    return SampledDecision(draws, draws.mean(axis=0).astype(np.float64), floor, rules or Rules())


@pytest.mark.parametrize("share", [0.1, 0.6])
@pytest.mark.parametrize("rules", list(RULES))
def test_slates_are_drawn_with_the_propensities_that_they_say(rules: str, share: float) -> None:
    made = Interleaved(decision(RULES[rules]), ORDER, share)
    rng, slates = np.random.default_rng(7), Counter[tuple[int, ...]]()
    for _ in range(SLATES):
        choice, arms = made.interleave(SLOTS, rng)
        slates[tuple(choice.order)] += 1
        assert len(arms) == len(choice.order)
    for slate in list(slates)[:20]:
        made_of = [made.distribution(slate[:above])[item] for above, item in enumerate(slate)]
        assert sum(made.distribution(slate[:1])) == pytest.approx(1)
        assert min(made_of) > 0
    assert slate_p_value(made, slates) > 1e-3 / (2 * len(RULES))


def test_the_logged_propensity_is_that_of_the_mix() -> None:
    made = Interleaved(decision(), ORDER, 0.3)
    rng = np.random.default_rng(1)
    for _ in range(200):
        choice, _ = made.interleave(SLOTS, rng)
        expected = [made.distribution(choice.order[:above])[item] for above, item in enumerate(choice.order)]
        assert choice.propensity == pytest.approx(expected)


def test_it_says_whose_an_item_is_and_of_neither_what_both_would_have() -> None:
    made, policy = Interleaved(decision(floor=0.0), ORDER, 0.4), decision(floor=0.0)
    rng, first = np.random.default_rng(2), Counter[tuple[int, int]]()
    for _ in range(20_000):
        choice, arms = made.interleave(1, rng)
        first[choice.order[0], arms[0]] += 1
    own = policy.distribution(())
    both = own[ORDER[0]]
    assert first[ORDER[0], CHOSEN] == 0
    assert first[ORDER[0], 0] / 20_000 == pytest.approx(both, abs=0.015)
    assert first[ORDER[0], FOLLOWED] / 20_000 == pytest.approx(0.6 * (1 - both), abs=0.015)
    chosen = sum(count for (_, arm), count in first.items() if arm == CHOSEN)
    assert chosen / 20_000 == pytest.approx(0.4 * (1 - both), abs=0.015)
    assert {item for item, arm in first if arm == FOLLOWED} == {ORDER[0]}


def test_where_the_order_ends_the_policy_goes_on() -> None:
    choice, arms = Interleaved(decision(), ORDER, 0.0).interleave(CANDIDATES, np.random.default_rng(4))
    assert choice.order[:3] == ORDER
    assert sorted(choice.order) == list(range(CANDIDATES))
    assert set(arms[3:]) == {0}
    alone = Interleaved(decision(), [], 0.0)
    assert alone.distribution((2,)) == pytest.approx(decision().distribution((2,)))
