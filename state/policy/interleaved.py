"""Lists of two minds: each place is the next of an order from outside, or what a policy chooses there."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from state.model.sums import CHOSEN, FOLLOWED
from state.policy.base import Choice, Decision, Values, drawn
from state.policy.rules import Mask


class Interleaving(NamedTuple):
    """A slate, and for each item whose it was: `FOLLOWED` of the order, `CHOSEN` of the policy, 0 where both would have had it."""

    choice: Choice
    arms: bytes


class Interleaved(Decision):
    """p(i | prefix) = share·p'(i | prefix) + (1 - share)·[i is next], where p' are the probabilities of the decision `of`, and next
    is the first of the `order` that is eligible and not above. Where the order has none left, p'.

    `order` are indices of candidates.
    """

    def __init__(self, of: Decision, order: Sequence[int], share: float) -> None:
        super().__init__(of.values, of.floor, of.rules)
        self._of, self._order, self._share = of, order, share

    def favour(self, prefix: Sequence[int], eligible: Mask) -> Values:
        """See `Decision.favour`."""
        return self._of.favour(prefix, eligible)

    def distribution(self, prefix: Sequence[int]) -> Values:
        """See `Decision.distribution`."""
        return self._mixed(self._of.distribution(prefix), self._next(prefix))

    def interleave(self, slots: int, rng: np.random.Generator) -> Interleaving:
        """Draw at most `slots` items as `choose` does, and tell whose they are."""
        choice, arms = Choice([], [], [], []), bytearray()
        for _ in range(min(slots, len(self.values))):
            own = self._of.distribution(choice.order)
            item = drawn(own, rng)
            if item is None:
                break
            following, follows = self._next(choice.order), rng.random() >= self._share
            arm = 0
            if following is not None and following != item:
                arm, item = (FOLLOWED, following) if follows else (CHOSEN, item)
            self.place(choice, item, self._mixed(own, following))
            arms.append(arm)
        return Interleaving(choice, bytes(arms))

    def _next(self, prefix: Sequence[int]) -> int | None:
        if self.rules.pinned(prefix) is not None:
            return None
        eligible = self.rules.eligible(len(self.values), prefix)
        return next((item for item in self._order if eligible[item]), None)

    def _mixed(self, own: Values, following: int | None) -> Values:
        if following is None:
            return own
        mixed: Values = self._share * own
        mixed[following] += 1 - self._share
        return mixed
