"""Whether visitors look at what lies below their last click, by the evidence of what they do after the first.

Where each item is looked at for itself, what lies below an impression's first reward is rewarded about as often as anything.
Where a visitor acts on one item and is gone, hardly ever: then what was passed over, unrewarded below the last reward, says
nothing of the items (the cascade model: Craswell, Zoeter, Taylor, Ramsey 2008, "An experimental comparison of click
position-bias models", section 3.4). The two are told apart by the likelihood of the count of rewards below first ones, Poisson
with the rate of all exposures against a tenth of it.
"""

import math
from typing import Literal

from state.model.sums import Sums

Examination = Literal["all", "cascade"]
CASCADE_RATE = 0.1
"""Rewards below the first one under the cascade, as a share of what they are where all is looked at."""
SURE = 10.0
"""The log of the likelihoods' ratio from which on a choice is made or changed: 22,000 to 1."""


def evidence_for_cascade(sums: Sums, now_ms: int) -> float:
    """Return log of the likelihood of the cascade over that of its opposite; 0 while nothing was rewarded.

    What is forgotten by `now_ms` is no evidence. With the expectation E and the count c it is E (1 - ε) + c log ε for Poisson
    rates of ε E and E, ε = `CASCADE_RATE`.
    """
    fade = sums.fade(now_ms)
    _, below, rewarded, rewarded_below = sums.evidence.tolist()
    if sums.weight <= 0 or rewarded <= 0:
        return 0.0
    expected = max(0.0, below) * rewarded / sums.weight
    evidence: float = expected * (1 - CASCADE_RATE) + max(0.0, rewarded_below) * math.log(CASCADE_RATE)
    return fade * evidence


def examination_after(before: Examination, sums: Sums, now_ms: int) -> Examination:
    """Return which of the two the evidence speaks for, `before` where it is not sure."""
    evidence = evidence_for_cascade(sums, now_ms)
    if abs(evidence) < SURE:
        return before
    return "cascade" if evidence > 0 else "all"
