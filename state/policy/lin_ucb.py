"""LinUCB: Li, Chu, Langford, Schapire 2010, "A contextual-bandit approach to personalized news article recommendation", eq. 5."""

import numpy as np

from state.policy.base import Policy
from state.policy.belief import Belief
from state.policy.ranking import RankedDecision
from state.policy.rules import NO_RULES, Rules


class LinUCB(Policy):
    """Largest xᵢ·θ̂ + ûᵢ + α·√(σ² xᵢᵀ(λI + A)⁻¹xᵢ + sᵢ²).

    The paper's width, scaled by the noise so that α counts standard deviations, with the variance sᵢ² of the product's own
    effect inside the root: without it a product that nobody has seen looks as certain as its features.
    """

    def __init__(self, alpha: float, floor: float) -> None:
        self.alpha = alpha
        self.floor = floor

    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> RankedDecision:
        """See `Policy.decide`."""
        return RankedDecision(belief.mean + self.alpha * belief.deviation(), belief.mean, self.floor, rules)
