"""ε-greedy (Sutton and Barto 2018, "Reinforcement Learning", section 2.2), in every slot."""

from collections.abc import Sequence

import numpy as np

from state.policy.base import Choice, Policy, Values


class EpsilonGreedy(Policy):
    """With probability ε a uniform draw from the eligible, else the eligible candidate of the largest value.

    p(i) = (1 - ε)·[i is the best eligible] + ε/m for m eligible candidates; ties go to the earlier candidate.
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def distribution(self, values: Values, prefix: Sequence[int]) -> Values:
        """See `Policy.distribution`."""
        eligible = np.ones(len(values), dtype=np.bool_)
        eligible[list(prefix)] = False
        probabilities = np.where(eligible, self.epsilon / eligible.sum(), 0.0)
        probabilities[np.argmax(np.where(eligible, values, -np.inf))] += 1 - self.epsilon
        return probabilities

    def choose(self, values: Values, slots: int, rng: np.random.Generator) -> Choice:
        """The same distribution as the generic way, with one sort for the whole slate."""
        n = len(values)
        ranked = np.argsort(-values, kind="stable").tolist()
        slots = min(slots, n)
        explores = (rng.random(slots) < self.epsilon).tolist()
        picks = rng.random(slots).tolist()
        order: list[int] = []
        propensity: list[float] = []
        explored: list[bool] = []
        for slot in range(slots):
            left = n - slot
            place = int(picks[slot] * left) if explores[slot] else 0
            order.append(ranked.pop(place))
            propensity.append(self.epsilon / left + (1 - self.epsilon if place == 0 else 0.0))
            explored.append(place != 0)
        return Choice(order, propensity, explored)
