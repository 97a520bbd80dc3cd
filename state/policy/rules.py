"""What acts inside the choice: exclusions, changes of the score, and pinned items, each given the items above."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Rules:
    """The base: nothing is excluded, changed or pinned. Rules that merchandise override what they need.

    Where `fixed` is true, no method's answer depends on the items above (other than that nothing is shown twice) and nothing is
    pinned; then a whole slate is drawn in one pass.
    """

    fixed: bool = True

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask | None:
        """Which of n candidates may follow `prefix`, (n,); None for all. Those in the prefix need not be taken out."""
        return None

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """Scores given the items above, in a new array.

        `scores` is (n,) or (draws, n), in units of reward; diversity, boosts and burying act here, on every draw alike.
        """
        return scores

    def pinned(self, prefix: Sequence[int]) -> int | None:
        """The candidate that must stand below `prefix`, which does not hold it; None where the policy decides."""
        return None

    def eligible(self, n: int, prefix: Sequence[int]) -> Mask:
        """Allowed and not yet in the slate, (n,)."""
        allowed = self.allowed(n, prefix)
        mask = np.ones(n, dtype=np.bool_) if allowed is None else allowed.copy()
        if prefix:
            mask[list(prefix)] = False
        return mask


NO_RULES = Rules()
