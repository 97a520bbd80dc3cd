"""Decisions by posterior draws: Thompson sampling with propensities that are exact given the draws."""

from collections.abc import Sequence

import numpy as np

from state.kernels import draw_down_draws
from state.policy.base import Choice, Decision, Values
from state.policy.belief import Draws
from state.policy.planned import choice_of, kernel_rules
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
        """Return the same distribution as the generic way; only draws whose first has gone look for their next."""
        plan = self.rules.plan()
        if plan is None:
            return super().choose(slots, rng)
        values, draws = plan.fixed.rescore(self.values, ()), plan.fixed.rescore(self.draws, ())
        allowed, pins, balance = kernel_rules(plan, self.draws.shape[1], slots)
        drawn = draw_down_draws(draws, values, allowed, self.floor, rng.random((2, slots)), pins, balance)
        return choice_of(drawn, plan.pins)
