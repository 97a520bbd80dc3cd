"""Propensities are the truth: χ² of 100,000 draws per policy against `distribution`, and of whole slates.

The level is 10⁻³ over everything, by Bonferroni; with fixed seeds the tests are deterministic.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chi2

from state.policy import NO_RULES, Choice, Decision
from state.policy.base import Values
from state.policy.ranking import RankedDecision
from state.policy.rules import Mask
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

CANDIDATES, SLOTS, DRAWS = 6, 3, 100_000
RULES = {
    "none": NO_RULES,
    "excluding": Excluding([4], 2),
    "merchandising": Merchandising(5),
    "configured": shop_rules(CANDIDATES, **BURIED_AND_BLOCKED),
    "configured with a pin": shop_rules(CANDIDATES, **WITH_A_PIN),
    "capped": balanced(NO_RULES, CANDIDATES, weight=0.0),
    "capped and diverse": balanced(NO_RULES, CANDIDATES),
    "capped and diverse around a pin": balanced(shop_rules(CANDIDATES, **WITH_A_PIN), CANDIDATES, (2, 2)),
}
PREFIXES = 4
TESTS = len(POLICIES) * len(RULES) * (PREFIXES + 1)
LEVEL = 1e-3 / TESTS


def p_value(observed: Values, expected: Values) -> float:
    """Pearson's χ² of counts against expected counts; cells below 5 are merged; 0 where the impossible was observed."""
    if observed[expected <= 0].any():
        return 0.0
    small = (expected > 0) & (expected < 5)
    large = expected >= 5
    seen, due = observed[large], expected[large]
    if small.any() and expected[small].sum() >= 5:
        seen, due = np.append(seen, observed[small].sum()), np.append(due, expected[small].sum())
    if len(due) < 2:
        return 1.0
    return float(chi2.sf(((seen - due) ** 2 / due).sum(), len(due) - 1))


def draw_slates(
    choose: Callable[[int, np.random.Generator], Choice], draws: int, seed: int
) -> Counter[tuple[int, ...]]:
    rng = np.random.default_rng(seed)
    return Counter(tuple(choose(SLOTS, rng).order) for _ in range(draws))


def slate_p_value(made: Decision, slates: Counter[tuple[int, ...]]) -> float:
    """Of all slates against the product of `distribution` down each."""
    cells: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(SLOTS):
        cells = {
            (*above, item): probability * made.distribution(above)[item]
            for above, probability in cells.items()
            for item in range(CANDIDATES)
            if item not in above
        }
    total = slates.total()
    assert sum(cells.values()) == pytest.approx(1)
    observed: Values = np.array([slates[slate] for slate in cells], dtype=np.float64)
    expected: Values = total * np.array(list(cells.values()), dtype=np.float64)
    return p_value(observed, expected) if observed.sum() == total else 0.0


def prefix_p_value(made: Decision, slates: Counter[tuple[int, ...]], prefix: Sequence[int]) -> float:
    """Of the next item among the slates that begin with the prefix."""
    depth = len(prefix)
    counts = np.zeros(CANDIDATES)
    for slate, count in slates.items():
        if slate[:depth] == tuple(prefix):
            counts[slate[depth]] += count
    assert counts.sum() > 100
    return p_value(counts, counts.sum() * made.distribution(prefix))


def chosen_prefixes(slates: Counter[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """None above; the most and the least frequent first item; the most frequent two."""
    first, second = Counter[tuple[int, ...]](), Counter[tuple[int, ...]]()
    for slate, count in slates.items():
        first[slate[:1]] += count
        second[slate[:2]] += count
    return [(), first.most_common()[0][0], first.most_common()[-1][0], second.most_common()[0][0]]


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("rules", RULES)
def test_draws_follow_the_distribution(name: str, rules: str) -> None:
    """For Thompson sampling the posterior draws are those of the one decision, so they are held fixed."""
    made = policy(name).decide(belief_of(CANDIDATES), np.random.default_rng(1), RULES[rules])
    draws = DRAWS if rules == "none" else DRAWS // 25  # the same code draws for all rules of a kind
    slates = draw_slates(made.choose, draws, seed=2)
    for prefix in chosen_prefixes(slates):
        assert prefix_p_value(made, slates, prefix) > LEVEL, prefix
    assert slate_p_value(made, slates) > LEVEL


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize(("rules", "eligible"), [("excluding", [5, 4, 3]), ("configured with a pin", [4, 1, 3])])
def test_the_mean_of_one_over_p_is_the_number_of_eligible(name: str, rules: str, eligible: list[int]) -> None:
    """A pinned place has one eligible item, and its product none elsewhere."""
    made = policy(name).decide(belief_of(CANDIDATES), np.random.default_rng(1), RULES[rules])
    rng = np.random.default_rng(3)
    inverse = np.array(
        [1 / np.array(made.choose(SLOTS, rng).propensity) for _ in range(20_000 if rules == "excluding" else 4_000)]
    )
    error = inverse.std(axis=0) / np.sqrt(len(inverse))
    assert (np.abs(inverse.mean(axis=0) - eligible) < 4.5 * error + 1e-9).all()


@pytest.mark.parametrize("name", ["thompson_linear", "thompson_beta"])
def test_other_draws_than_those_that_chose_are_no_propensities(name: str) -> None:
    """Why the draws are held fixed: frequencies of other draws are biased for an item that was chosen."""
    rng = np.random.default_rng(4)
    belief, chosen, other = belief_of(CANDIDATES), [], []
    for _ in range(4_000):
        made = policy(name, floor=0.05).decide(belief, rng)
        choice = made.choose(1, rng)
        chosen.append(1 / choice.propensity[0])
        other.append(1 / policy(name, floor=0.05).decide(belief, rng).distribution(())[choice.order[0]])
    error = np.std(chosen) / np.sqrt(len(chosen))
    assert abs(np.mean(chosen) - CANDIDATES) < 4.5 * error
    assert np.mean(other) > CANDIDATES + 4.5 * error


class DrawThenRemoveDuplicates(RankedDecision):
    """Wrong: draws every slot from the first slot's distribution and throws repeated items away."""

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        probabilities = self.distribution(())
        order: list[int] = []
        while len(order) < slots:
            item = int(rng.choice(len(probabilities), p=probabilities))
            if item not in order:
                order.append(item)
        return Choice(order, [1.0] * slots, [False] * slots, [False] * slots)


class RankAgainAfterTheDraw(RankedDecision):
    """Wrong: draws rightly, then sorts what was drawn by value."""

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        choice = super().choose(slots, rng)
        order = sorted(choice.order, key=lambda item: -self.values[item])
        return Choice(order, choice.propensity, choice.explored, choice.pinned)


class IgnoresTheFloor(RankedDecision):
    """Wrong: says that it explores, and does not."""

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        order = self.ranked(self.values)[:slots]
        return Choice(order, [1.0] * slots, [False] * slots, [False] * slots)

    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        return super().favour(prefix, eligible)


@pytest.mark.parametrize("wrong", [DrawThenRemoveDuplicates, RankAgainAfterTheDraw, IgnoresTheFloor])
def test_a_wrong_policy_fails(wrong: type[RankedDecision]) -> None:
    """The same test at the same level, with a tenth of the draws."""
    values = belief_of(CANDIDATES).mean
    made = wrong(values, values, 0.3)
    assert slate_p_value(made, draw_slates(made.choose, DRAWS // 10, seed=2)) < LEVEL


def test_the_test_knows_all_slates() -> None:
    """A right policy passes the very same call."""
    values = belief_of(CANDIDATES).mean
    made = RankedDecision(values, values, 0.3)
    slates = draw_slates(made.choose, DRAWS // 10, seed=2)
    assert set(slates) <= set(permutations(range(CANDIDATES), SLOTS))
    assert slate_p_value(made, slates) > LEVEL
