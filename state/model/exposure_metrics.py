"""How evenly products are exposed: what shows whether a shop's lists are a bubble."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HEAD_SHARE = 0.2
"""The most exposed products, as a share of those exposed at all, that are not the long tail."""


class ExposureSpread(NamedTuple):
    """Spread over the products that were exposed at all: how many they are, the Gini index of their exposures, and the share of all
    exposures that the long tail has, which is all but the `HEAD_SHARE` of the products exposed most."""

    products: int
    gini: float
    tail_share: float


def exposure_spread(exposures: NDArray[np.float64]) -> ExposureSpread:
    """Compute the spread from weighted counts (products,), on any scale; what is not above 0 does not count.

    The Gini index is G = 2 Σ i x₍ᵢ₎/(n Σ x) - (n + 1)/n with x₍₁₎ ≤ … ≤ x₍ₙ₎ (Sen 1973, "On Economic Inequality", section 2.7, in
    the form of Damgaard and Weiner 2000, "Describing inequality in plant size or fecundity", eq. 2): 0 where all products are
    exposed alike, near 1 where one has it all. Fleder and Hosanagar 2009, "Blockbuster culture's next rise or fall", measure
    recommenders by it. It takes one sort.
    """
    counts = np.sort(exposures[exposures > 0])
    n, total = len(counts), float(counts.sum())
    if not n:
        return ExposureSpread(0, 0.0, 0.0)
    gini = 2 * float(np.arange(1, n + 1) @ counts) / (n * total) - (n + 1) / n
    tail = n - max(1, round(HEAD_SHARE * n))
    return ExposureSpread(n, max(0.0, gini), float(counts[:tail].sum()) / total)
