"""The contract of a policy.

A policy looks at what the model believes of n candidates and returns a decision, in which everything random about beliefs
(posterior draws) is fixed. The decision chooses slot by slot: each item is drawn from `distribution` of those above it, and the
probability that it was drawn with is its propensity. Nothing acts after the draw.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.policy.belief import Belief
from state.policy.rules import NO_RULES, Mask, Plan, Rules

Values = NDArray[np.float64]


class Choice(msgspec.Struct, frozen=True):
    """A slate of k items: indices into the candidates in the order to show, and for each the probability that it was drawn
    with at its position given those above it, whether it is another than the best by value, and whether a rule put it there."""

    order: list[int]
    propensity: list[float]
    explored: list[bool]
    pinned: list[bool]


class Decision(ABC):
    """Choice in the making: n candidates, `values` (n,) that the policy estimates of them, and a floor of exploration.

    p(i | prefix) = (1 - floor)·q(i | prefix) + floor/m for m eligible candidates, where q is the policy's own. So every eligible
    candidate has a probability of at least floor/m, which is what makes off-policy estimates from the log possible.
    """

    def __init__(self, values: Values, floor: float, rules: Rules = NO_RULES) -> None:
        self.values = values
        self.floor = floor
        self.rules = rules

    @abstractmethod
    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        """Return the policy's own probabilities q (n,) for the slot below `prefix`: 0 where not eligible, else summing to 1."""

    def distribution(self, prefix: Sequence[int]) -> Values:
        """Return probabilities (n,) over the candidates for the slot below `prefix`; all 0 where none is eligible."""
        n = len(self.values)
        pinned = self.rules.pinned(prefix)
        if pinned is not None:
            return np.bincount([pinned], minlength=n).astype(np.float64)
        eligible = self.rules.eligible(n, prefix)
        count = int(eligible.sum())
        if not count:
            return np.zeros(n)
        probabilities: Values = (1 - self.floor) * self.favour(prefix, eligible) + (self.floor / count) * eligible
        return probabilities

    def choose(self, slots: int, rng: np.random.Generator) -> Choice:
        """Draw at most `slots` items, each from `distribution` of those above it. Subclasses are faster, never different."""
        pins = {position: item for position, item in self.rules.pins.items() if position < slots}
        if pins:
            around = copy.copy(self)
            around.rules = self.rules.around()
            return _with_pins(around.choose(slots - len(pins), rng), pins, slots)
        n = len(self.values)
        choice = Choice([], [], [], [])
        for _ in range(min(slots, n)):
            probabilities = self.distribution(choice.order)
            item = drawn(probabilities, rng)
            if item is None:
                break
            self.place(choice, item, probabilities)
        return choice

    def place(self, choice: Choice, item: int, probabilities: Values) -> None:
        """Put an item, drawn with these probabilities (n,), below those of a choice in the making."""
        pinned = self.rules.pinned(choice.order) is not None
        choice.propensity.append(1.0 if pinned else float(probabilities[item]))
        choice.explored.append(not pinned and item != self._best(choice.order))
        choice.pinned.append(pinned)
        choice.order.append(item)

    def planned(self) -> Plan | None:
        """Return the rules for a kernel where they have a balance; None where they have none, or cannot be taken apart."""
        plan = None if self.rules.fixed else self.rules.plan()
        return None if plan is None or plan.balance is None else plan

    def ranked(self, scores: Values) -> list[int]:
        """Return the eligible candidates of an empty prefix, best first; ties go to the earlier candidate."""
        ranked = np.argsort(-self.rules.rescore(scores, ()), kind="stable")
        allowed = self.rules.allowed(len(scores), ())
        order: list[int] = (ranked if allowed is None else ranked[allowed[ranked]]).tolist()
        return order

    def explored(self, order: list[int]) -> list[bool]:
        """Return, for each item of a slate under fixed rules, whether another was left that is better by value."""
        by_value = iter(self.ranked(self.values))
        best = next(by_value, -1)
        above: set[int] = set()
        explored: list[bool] = []
        for item in order:
            while best in above:
                best = next(by_value)
            explored.append(item != best)
            above.add(item)
        return explored

    def _best(self, prefix: Sequence[int]) -> int:
        eligible = self.rules.eligible(len(self.values), prefix)
        return int(np.argmax(np.where(eligible, self.rules.rescore(self.values, prefix), -np.inf)))


def drawn(probabilities: Values, rng: np.random.Generator) -> int | None:
    """Return the index of one drawn with these probabilities (n,); None where all are 0."""
    total = probabilities.cumsum()
    return int(total.searchsorted(rng.random() * total[-1], side="right")) if total[-1] else None


def _with_pins(drawn: Choice, pins: Mapping[int, int], slots: int) -> Choice:
    """What was drawn, in its order, around the pinned items in their pins; it ends where neither goes on."""
    choice = Choice([], [], [], [])
    rest = iter(zip(drawn.order, drawn.propensity, drawn.explored, strict=True))
    for position in range(slots):
        pinned = position in pins
        item, propensity, explored = (pins[position], 1.0, False) if pinned else next(rest, (-1, 0.0, False))
        if item < 0:
            break
        choice.order.append(item)
        choice.propensity.append(propensity)
        choice.explored.append(explored)
        choice.pinned.append(pinned)
    return choice


class Policy(ABC):
    """Maker of decisions. Pure: everything random comes from the generator that is passed in, and inputs stay untouched."""

    floor: float

    @abstractmethod
    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> Decision:
        """Return the decision over the candidates that `belief` is about."""
