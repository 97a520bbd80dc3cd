"""How far the model has come against the shop's own order, by what visitors do with items of both that stand in the same lists.

Each place of a list is the shop's or the model's by chance, whatever the place and the visitor, so that rewards per exposure of
both compare (interleaving: Chapelle, Joachims, Radlinski, Yue 2012, "Large-scale validation and analysis of interleaved search
evaluation", section 4.2). Exposures that both would have had are no evidence.
"""

import math

from state.model.sums import CHOSEN, FOLLOWED, Vector

LEAST_SHARE = 0.1
"""The model's share of the places while nothing speaks for it."""
ENOUGH = 200.0
"""Exposures of each side before the comparison counts in full."""
SURE = 3.0
"""Standard errors by which the model has to lead to choose alone."""


def lead_of_model(compared: Vector, noise: float) -> float:
    """Return how many standard errors an item of the model earns more than one of the shop's order, fewer while one of them was
    hardly seen: also where the model has chosen alone for so long that the shop's order is being forgotten, so that its share falls
    little by little.

    `compared` (2, 2) holds exposures and rewards of both, see `Sums.compared`; `noise` is the variance of a reward.
    """
    exposures, rewards = compared[:, 0], compared[:, 1]
    fewest = float(exposures.min())
    if fewest <= 0 or noise <= 0:
        return 0.0
    rates = rewards / exposures
    error = math.sqrt(noise * float((1 / exposures).sum()))
    return math.sqrt(min(1.0, fewest / ENOUGH)) * float(rates[CHOSEN - 1] - rates[FOLLOWED - 1]) / error


def share_of_model(lead: float) -> float:
    """Return the model's share of the places of lists for a lead of z standard errors: 2Φ(z) - 1, at least `LEAST_SHARE`; 1 from
    `SURE` on."""
    if lead >= SURE:
        return 1.0
    return max(LEAST_SHARE, math.erf(lead / math.sqrt(2.0)))
