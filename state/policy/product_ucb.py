"""Upper confidence bounds on each product's own rate of reward: no features, no person. Baselines that know popularity only.

Counts start at `prior_exposures` pseudo-exposures of the category's rate, so a product that nobody has seen is not forced to the
top: among thousands of products the first pull of each would be all that visitors get to see.
"""

from statistics import NormalDist

import numpy as np

from state.policy.base import Policy
from state.policy.belief import Belief
from state.policy.ranking import RankedDecision
from state.policy.rules import NO_RULES, Rules


class ProductUCB(Policy):
    """Base of both: a `scale` of the width, pseudo-exposures, and a floor of exploration."""

    def __init__(self, scale: float, prior_exposures: float, floor: float) -> None:
        self.scale = scale
        self.prior_exposures = prior_exposures
        self.floor = floor


class UCB1(ProductUCB):
    """Largest r̄ᵢ + c·√(2 ln t / nᵢ): Auer, Cesa-Bianchi, Fischer 2002, "Finite-time analysis of the multiarmed bandit problem",
    figure 1, for c = 1 and rewards in [0, 1]. t counts all exposures, of whichever product."""

    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> RankedDecision:
        """See `Policy.decide`."""
        count, reward = belief.rates(self.prior_exposures)
        rate = reward / count
        width = self.scale * np.sqrt(2 * np.log(max(np.e, belief.total)) / count)
        return RankedDecision(rate + width, rate, self.floor, rules)


class BayesUCB(ProductUCB):
    """Largest 1 - 1/t quantile of the product's posterior: Kaufmann, Cappé, Garivier 2012, "On Bayesian upper confidence bounds
    for bandit problems", algorithm 1 with c = 0, as the authors use it.

    The Beta posterior's quantile is that of the normal of the same mean and variance, times `scale` in its distance from the mean.
    """

    def decide(self, belief: Belief, rng: np.random.Generator, rules: Rules = NO_RULES) -> RankedDecision:
        """See `Policy.decide`."""
        count, reward = belief.rates(self.prior_exposures)
        rate = reward / count
        quantile = NormalDist().inv_cdf(1 - 1 / max(2.0, min(belief.total, 1e12)))
        width = (self.scale * quantile) * np.sqrt(rate * (1 - rate) / (count + 1))
        return RankedDecision(rate + width, rate, self.floor, rules)
