"""Decisions that follow one ranking of the candidates, except for the floor."""

from collections.abc import Sequence

import numpy as np

from state.policy.base import Choice, Decision, Values
from state.policy.planned import choose_by_scores
from state.policy.rules import NO_RULES, Mask, Rules


class RankedDecision(Decision):
    """The eligible candidate of the largest index, ties to the earlier; all optimistic and greedy policies.

    `index` (n,) is what the policy ranks by, `values` (n,) what it expects; they differ by the optimism.
    """

    def __init__(self, index: Values, values: Values, floor: float, rules: Rules = NO_RULES) -> None:
        super().__init__(values, floor, rules)
        self.index = index

    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        """See `Decision.favour`."""
        q = np.zeros(len(self.index))
        q[np.argmax(np.where(eligible, self.rules.rescore(self.index, prefix), -np.inf))] = 1.0
        return q

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        """Return the same distribution as the generic way, with one sort for the whole slate."""
        plan = self.planned()
        if plan is not None:
            return choose_by_scores(self, plan, self.index, 0.0, slots, rng)
        if not self.rules.fixed:
            return super().choose(slots, rng)
        ranked = self.ranked(self.index)
        left = len(ranked)
        order, firsts = draw_down(ranked, slots, self.floor, rng)
        keep = 1 - self.floor
        propensity = [self.floor / (left - slot) + keep * first for slot, first in enumerate(firsts)]
        same = self.index is self.values
        explored = [not first for first in firsts] if same else self.explored(order)
        return Choice(order, propensity, explored, [False] * len(order))


def draw_down(ranked: list[int], slots: int, floor: float, rng: np.random.Generator) -> tuple[list[int], list[bool]]:
    """Take items out of `ranked`: with probability `floor` any that is left, else the first that is left.

    Returns the items in the order taken, and whether each was the first left.
    """
    left = len(ranked)
    slots = min(slots, left)
    explores = (rng.random(slots) < floor).tolist()
    picks = rng.random(slots).tolist()
    order: list[int] = []
    firsts: list[bool] = []
    for slot in range(slots):
        index = int(picks[slot] * (left - slot)) if explores[slot] else 0
        order.append(ranked.pop(index))
        firsts.append(index == 0)
    return order, firsts
