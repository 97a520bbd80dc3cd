"""Softmax, or Boltzmann exploration: Sutton and Barto 2018, "Reinforcement Learning", section 2.8, eq. 2.11, with a temperature."""

from collections.abc import Sequence

import numpy as np

from state.policy.base import Choice, Decision, Policy, Values
from state.policy.belief import Belief
from state.policy.planned import choose_by_scores
from state.policy.ranking import draw_down
from state.policy.rules import NO_RULES, Mask, Rules


class SoftmaxDecision(Decision):
    """q(i | prefix) ∝ exp(valueᵢ/temperature) over the eligible."""

    def __init__(self, values: Values, temperature: float, floor: float, rules: Rules = NO_RULES) -> None:
        super().__init__(values, floor, rules)
        self.temperature = temperature

    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        """See `Decision.favour`."""
        scores = np.where(eligible, self.rules.rescore(self.values, prefix), -np.inf) / self.temperature
        weights = np.exp(scores - scores.max())
        q: Values = weights / weights.sum()
        return q

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        """Return the same distribution as the generic way, from one sort.

        Give every candidate an arrival time, exponential with rate exp(value/temperature): who arrives next among those left
        is distributed as q, and by memorylessness that stays so when others are taken out in between (Plackett-Luce; Kool, van
        Hoof, Welling 2019, "Stochastic beams and where to find them", section 2). Sorting is by minus the log of the time.
        """
        plan = self.planned()
        if (
            plan is not None
        ):  # no arrival times: what waits while a cap holds would have arrived by the time it is given up
            return choose_by_scores(self, plan, self.values, self.temperature, slots, rng)
        if not self.rules.fixed:
            return super().choose(slots, rng)
        scores = self.rules.rescore(self.values, ()) / self.temperature
        allowed = self.rules.allowed(len(scores), ())
        scores = scores if allowed is None else np.where(allowed, scores, -np.inf)
        gumbel = -np.log(rng.standard_exponential(len(scores)))
        ranked = np.argsort(-(scores + gumbel))[: np.isfinite(scores).sum()].tolist()
        order, _ = draw_down(ranked, slots, self.floor, rng)
        return Choice(order, self._propensities(scores, order), self.explored(order), [False] * len(order))

    def _propensities(self, scores: Values, order: list[int]) -> list[float]:
        """(1 - floor)·weight/weight left + floor/left, the weight left summed from the end so that nothing cancels."""
        left = np.isfinite(scores).sum() - np.arange(len(order))
        picked = scores[order]
        rest = scores.copy()
        rest[order] = -np.inf
        # Each slot's log of the weight left: log-sum-exp over the later slots and the rest.
        below = np.logaddexp.reduce(rest, initial=-np.inf)
        remaining = np.logaddexp.accumulate(np.append(below, picked[::-1]))[1:][::-1]
        propensity: list[float] = ((1 - self.floor) * np.exp(picked - remaining) + self.floor / left).tolist()
        return propensity


class Softmax(Policy):
    """Policy that draws in proportion to exp(expected reward/temperature); the temperature is in units of reward."""

    def __init__(self, temperature: float, floor: float) -> None:
        self.temperature = temperature
        self.floor = floor

    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> SoftmaxDecision:
        """See `Policy.decide`."""
        return SoftmaxDecision(belief.mean, self.temperature, self.floor, rules)
