"""Decisions by posterior draws: Thompson sampling with propensities that are exact given the draws."""

from collections.abc import Sequence

import numpy as np

from state.policy.base import Choice, Decision, Values
from state.policy.belief import Draws
from state.policy.rules import NO_RULES, Mask, Rules


class SampledDecision(Decision):
    """q(i | prefix) is the share of the draws in which i is the best of the eligible.

    `draws` (M, n) float32 are joint posterior draws of the expected rewards. They are drawn once per decision and then fixed:
    every slot follows one of them, taken anew at random. That is Thompson sampling (an item is chosen with the posterior
    probability that it is the best), and the probability that each item was really drawn with is known.
    """

    def __init__(self, draws: Draws, values: Values, floor: float, rules: Rules = NO_RULES) -> None:
        super().__init__(values, floor, rules)
        self.draws = draws

    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        """See `Decision.favour`."""
        draws = np.where(eligible, self.rules.rescore(self.draws, prefix), -np.inf)
        q: Values = np.bincount(draws.argmax(axis=1), minlength=draws.shape[1]) / len(draws)
        return q

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        """The same distribution as the generic way; only draws whose first has gone look for their next."""
        if not self.rules.fixed:
            return super().choose(slots, rng)
        left = self.ranked(self.values)
        slots = min(slots, len(left))
        if not slots:
            return Choice([], [], [], [])
        draws = self.rules.rescore(self.draws, ()).copy()
        if len(left) < draws.shape[1]:
            draws[:, ~self.rules.eligible(draws.shape[1], ())] = -np.inf
        first = draws.argmax(axis=1)
        explores = (rng.random(slots) < self.floor).tolist()
        picks = rng.random(slots).tolist()
        choice = Choice([], [], [], [False] * slots)
        for slot in range(slots):
            item = left[int(picks[slot] * len(left))] if explores[slot] else int(first[int(picks[slot] * len(first))])
            followers = (first == item).nonzero()[0]
            share = len(followers) / len(first)
            choice.propensity.append((1 - self.floor) * share + self.floor / len(left))
            choice.explored.append(item != left[0])
            choice.order.append(item)
            left.remove(item)
            draws[:, item] = -np.inf
            if share:
                first[followers] = draws.take(followers, axis=0).argmax(axis=1)
        return choice
