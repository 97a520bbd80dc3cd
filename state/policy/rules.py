"""What acts inside the choice: exclusions, changes of the score, and pinned items, each given the items above."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.kernels import Balance

Mask = NDArray[np.bool_]


class Plan(NamedTuple):
    """Rules taken apart, so that a kernel can draw a whole slate under them: `fixed` rules, pins by position, which `fixed` does
    not allow elsewhere, and a balance."""

    fixed: "Rules"
    pins: Mapping[int, int]
    balance: Balance | None = None


class Rules:
    """The base: nothing is excluded, changed or pinned. Rules that merchandise override what they need.

    Where `fixed` is true, no method's answer depends on the items above (other than that nothing is shown twice) and nothing is
    pinned; then a whole slate is drawn in one pass. `pins` holds candidates by position where those pins are all that keeps the
    rules from being fixed and `allowed` has them nowhere else; then the rest is drawn in one pass under the rules of `around()`.
    """

    fixed: bool = True
    pins: Mapping[int, int] = MappingProxyType({})

    def around(self) -> "Rules":
        """Return the fixed rules of the pins that `pins` leaves free."""
        return self

    def plan(self) -> Plan | None:
        """Return the rules taken apart, None where they cannot be."""
        if self.pins:
            return Plan(self.around(), self.pins)
        return Plan(self, self.pins) if self.fixed else None

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask | None:
        """Return which of n candidates may follow `prefix`, (n,); None for all. Those in the prefix need not be taken out."""
        return None

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """Score given the items above, in a new array.

        `scores` is (n,) or (draws, n), in units of reward; diversity, boosts and burying act here, on every draw alike.
        """
        return scores

    def pinned(self, prefix: Sequence[int]) -> int | None:
        """Return the candidate that must stand below `prefix`, which does not hold it; None where the policy decides."""
        return None

    def eligible(self, n: int, prefix: Sequence[int]) -> Mask:
        """Return the mask of what is allowed and not yet in the slate, (n,)."""
        allowed = self.allowed(n, prefix)
        mask = np.ones(n, dtype=np.bool_) if allowed is None else allowed.copy()
        if prefix:
            mask[list(prefix)] = False
        return mask


class Combined(Rules):
    """Several rules at once: allowed by all, rescored by one after the other, pinned by the first that pins."""

    def __init__(self, parts: Sequence[Rules]) -> None:
        self._parts = parts
        self.fixed = all(part.fixed for part in parts)
        pinning = [part for part in parts if not part.fixed]
        if len(pinning) == 1:
            self.pins = pinning[0].pins

    def around(self) -> Rules:
        """See `Rules.around`."""
        return Combined([part.around() for part in self._parts])

    def plan(self) -> Plan | None:
        """See `Rules.plan`: at most one part may have pins, and one a balance, which then is the last to rescore."""
        plans = [part.plan() for part in self._parts]
        known = [plan for plan in plans if plan is not None]
        pins = [plan.pins for plan in known if plan.pins]
        balances = [plan.balance for plan in known if plan.balance is not None]
        if len(known) < len(plans) or len(pins) > 1 or len(balances) > 1:
            return None
        if balances and balances[0].weight and known[-1].balance is None:
            return None
        parts = Combined([plan.fixed for plan in known])
        return Plan(parts, pins[0] if pins else MappingProxyType({}), balances[0] if balances else None)

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask | None:
        """See `Rules.allowed`."""
        masks = [mask for part in self._parts if (mask := part.allowed(n, prefix)) is not None]
        return np.logical_and.reduce(masks) if masks else None

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """See `Rules.rescore`."""
        for part in self._parts:
            scores = part.rescore(scores, prefix)
        return scores

    def pinned(self, prefix: Sequence[int]) -> int | None:
        """See `Rules.pinned`."""
        return next((item for part in self._parts if (item := part.pinned(prefix)) is not None), None)


NO_RULES = Rules()


def combine(*parts: Rules) -> Rules:
    """Return all of the rules that say anything."""
    parts_with_rules = [part for part in parts if part is not NO_RULES]
    if len(parts_with_rules) > 1:
        return Combined(parts_with_rules)
    return parts_with_rules[0] if parts_with_rules else NO_RULES
