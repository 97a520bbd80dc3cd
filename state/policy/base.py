"""The contract of a policy."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


class Choice(msgspec.Struct, frozen=True):
    """A slate of k items: indices into the candidates in the order to show, and for each the probability that it was drawn
    with at its position given those above it, and whether it is another than the best by value."""

    order: list[int]
    propensity: list[float]
    explored: list[bool]


class Policy(ABC):
    """Chooses slot by slot. Pure: everything random comes from the generator that is passed in."""

    @abstractmethod
    def distribution(self, values: Values, prefix: Sequence[int]) -> Values:
        """Probabilities (n,) over the candidates for the slot below `prefix`; those in it have none.

        `values` (n,) is what the model predicts of each candidate.
        """

    def choose(self, values: Values, slots: int, rng: np.random.Generator) -> Choice:
        """Draws min(slots, n) items, each from `distribution` of those above it."""
        order: list[int] = []
        propensity: list[float] = []
        explored: list[bool] = []
        for _ in range(min(slots, len(values))):
            probabilities = self.distribution(values, order)
            item = int(rng.choice(len(values), p=probabilities))
            left = np.setdiff1d(np.arange(len(values)), order)
            propensity.append(float(probabilities[item]))
            explored.append(item != int(left[np.argmax(values[left])]))
            order.append(item)
        return Choice(order, propensity, explored)
