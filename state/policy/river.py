"""Policies of the river library, and ε-greedy around its models, with propensities that are true for them as well."""

from collections.abc import Sequence

import numpy as np

from state.model.river.learner import RiverLearner
from state.policy.base import Decision, Policy, Values
from state.policy.belief import Belief
from state.policy.ranking import RankedDecision
from state.policy.rules import NO_RULES, Mask, Rules

MOST_PULLS = 16
"""Pulls per slot: one takes river some 50 µs for 100 arms, so this is for comparison, not for speed."""


class PulledDecision(Decision):
    """q(i | prefix) is the share of `pulls` in which the river policy takes i when asked for one of the eligible.

    Which pulls those are is fixed by the decision's seed, so the shares are the probabilities that are drawn from. River's
    policies know no scores, so of the rules only exclusions and pins act.
    """

    def __init__(
        self, learner: RiverLearner, belief: Belief, pulls: int, seed: int, floor: float, rules: Rules
    ) -> None:
        super().__init__(learner.estimates(belief.product_ids), floor, rules)
        self._learner = learner
        self._ids = belief.product_ids
        self._context = belief.x.mean(axis=0) if len(belief) else np.zeros(0)
        self._pulls = pulls
        self._seed = seed
        self._known: dict[bytes, Values] = {}

    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        """See `Decision.favour`."""
        key = np.packbits(eligible).tobytes()
        q = self._known.get(key)
        if q is None:
            indices = np.flatnonzero(eligible).tolist()
            index_of = {self._ids[i]: i for i in indices}
            seed = self._seed + int.from_bytes(key, "big") % (1 << 61)
            pulled = self._learner.pulls([self._ids[i] for i in indices], self._context, self._pulls, seed)
            q = np.bincount([index_of[arm] for arm in pulled], minlength=len(self._ids)) / len(pulled)
            self._known[key] = q
        return q


class RiverPolicy(Policy):
    """Policy of a `learner` of river: a bandit policy decides by its own pulls, a reward model ε-greedily by its predictions."""

    def __init__(self, learner: RiverLearner, epsilon: float, pulls: int, floor: float) -> None:
        self.learner = learner
        self.epsilon = epsilon
        self.pulls = min(pulls, MOST_PULLS)
        self.floor = floor

    def use_learner(self, learner: RiverLearner) -> None:
        """Decide with a newer state of the same model; that of another, from before a change of configuration, is left."""
        if learner.made_from == self.learner.made_from:
            self.learner = learner

    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> Decision:
        """See `Policy.decide`."""
        if self.learner.is_policy:
            seed = int(rng.integers(1 << 62))
            return PulledDecision(self.learner, belief, self.pulls, seed, self.floor, rules)
        values = self.learner.predict(belief.x.astype(np.float64))
        return RankedDecision(values, values, max(self.epsilon, self.floor), rules)
