"""What keeps a list from being more of the same: caps on categories and on what is personal, and diversity."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.kernels import Balance, liken
from state.policy.rules import Mask, Plan, Rules


class Balanced(Rules):
    """Other rules, `base`, and on top of them a balance over the n candidates.

    Caps hold among what `base` allows and what is not shown yet. Where they leave nothing for a slot, they are given up for it:
    first the personal share, then the category's too. Pinned items count, and are not kept out. Given up once, a cap stays so to
    the list's end, since what may follow only becomes less.
    """

    fixed = False

    def __init__(self, base: Rules, balance: Balance) -> None:
        self._base = base
        self._balance = balance

    def plan(self) -> Plan | None:
        """See `Rules.plan`."""
        below = self._base.plan()
        return None if below is None or below.balance is not None else below._replace(balance=self._balance)

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask:
        """Return what may stand below the prefix."""
        above, balance = list(prefix), self._balance
        open_ = self._base.eligible(n, prefix)
        codes, caps = balance.codes, balance.caps
        of_category = (codes[:, None] == codes[above]).sum(axis=1)
        has_room: Mask = open_ & ~((codes != 0) & (of_category >= caps[0]))
        if balance.personal[above].sum() >= caps[1]:
            impersonal: Mask = has_room & ~balance.personal
            if impersonal.any():
                return impersonal
        return has_room if has_room.any() else open_

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """Rescore as `base` does, less `weight` times the largest similarity to an item above, see `liken`."""
        rescored, balance = self._base.rescore(scores, prefix), self._balance
        if not balance.weight:
            return rescored
        penalty = np.zeros(len(balance.codes), dtype=np.float32)
        for item in prefix:
            liken(penalty, item, balance)
        lowered: NDArray[Any] = rescored - penalty
        return lowered

    def pinned(self, prefix: Sequence[int]) -> int | None:
        """See `Rules.pinned`."""
        return self._base.pinned(prefix)


class Boosted(Rules):
    """Fixed rules: `boost` (n,) float32 is added to the scores."""

    def __init__(self, boost: NDArray[np.float32]) -> None:
        self._boost = boost

    def around(self) -> Rules:
        """Return the same."""
        return self

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """See `Rules.rescore`."""
        boosted: NDArray[Any] = scores + self._boost
        return boosted
