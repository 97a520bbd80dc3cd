"""The candidates of a choice, with what speaks for each, and how likely each is to be shown."""

from collections.abc import Mapping
from math import ceil

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.candidates.sources.names import SOURCES
from state.choosing.choice import Chooser, Considered
from state.feature_set import NAMES
from state.policy.rules import Mask
from state.profile.profile_items import FEATURE_REASONS

DECISIONS = 25
LISTS_PER_DECISION = 4
"""Lists drawn of each decision. A probability that is told comes from a hundred lists, so it is right to about 5 points."""
OWN_EFFECT = "own_effect"
"""The term of what the product has shown on its own, beyond its features."""
GENERAL = "general"
"""The term of features that no reason names, such as the mean reward."""

_REASON_OF = {feature: reason for reason, features in FEATURE_REASONS.items() for feature in features}
Values = NDArray[np.float64]


class Contender(msgspec.Struct, frozen=True):
    """A candidate. `expected` is the reward that the policy expects of it, `terms` what the model's expectation is a sum of, by
    reason; `by_rules` what rules and variety add for the top of the list. `first` is the probability to stand first, `listed` the
    share of the lists drawn that it was in. `why_not` says what keeps it out where it is in fewer than half of the lists: "" else.
    """

    product_id: str
    category_id: str
    source: str
    expected: float
    terms: dict[str, float]
    by_rules: float
    first: float
    listed: float
    why_not: str


def by_reason(terms: Values) -> dict[str, float]:
    """Return terms (d,) of features, summed by the reason that they stand for; those of none are `general`."""
    sums: dict[str, float] = {}
    for name, value in zip(NAMES, terms.tolist(), strict=True):
        if value:
            reason = _REASON_OF.get(name, GENERAL)
            sums[reason] = sums.get(reason, 0.0) + value
    return {reason: round(value, 6) for reason, value in sums.items()}


def contenders(chooser: Chooser, considered: Considered) -> list[Contender]:
    """Return all candidates, the most likely to be listed first."""
    candidates, n = considered.candidates, len(considered.candidates)
    if not n:
        return []
    drawn = _Lists(chooser, considered)
    terms, effects = chooser.terms(considered)
    category_ids = chooser.catalogue.category_ids
    lifted = considered.rules.rescore(drawn.values, ()) - drawn.values
    found = [
        Contender(
            product_id=product,
            category_id=category_ids[code],
            source=SOURCES[source],
            expected=float(drawn.values[i]),
            terms=_with_effect(by_reason(terms[i]), float(effects[i])),
            by_rules=float(lifted[i]),
            first=float(drawn.first[i]),
            listed=float(drawn.listed[i]),
            why_not=drawn.why_not(i),
        )
        for i, (product, code, source) in enumerate(
            zip(candidates.product_ids, candidates.codes.tolist(), candidates.sources.tolist(), strict=True)
        )
    ]
    return sorted(found, key=lambda contender: (-contender.listed, -contender.expected, contender.product_id))


def _with_effect(terms: Mapping[str, float], effect: float) -> dict[str, float]:
    return {**terms, OWN_EFFECT: round(effect, 6)} if effect else dict(terms)


class _Lists:
    """Lists drawn from the candidates: how often each stands first and is listed, and what kept the others out."""

    def __init__(self, chooser: Chooser, considered: Considered) -> None:
        n, slots = len(considered.candidates), chooser.settings.profile.items
        self._codes = considered.candidates.codes
        self._cap = max(1, ceil(round(chooser.settings.variety.category_share * slots, 9)))
        self._rules = considered.rules
        allowed = self._rules.allowed(n, ())
        placed = list(self._rules.pins.values())
        self._open: Mask = np.ones(n, dtype=np.bool_) if allowed is None else allowed.copy()
        self._open[placed] = True
        self.values: Values = considered.belief.mean
        self.first, self.listed = np.zeros(n), np.zeros(n)
        self._missed, self._barred, self._barred_by_category = np.zeros((3, n))
        for _ in range(DECISIONS):
            decision = chooser.decide(considered)
            self.values = decision.values
            self.first += decision.distribution(()) / DECISIONS
            for _ in range(LISTS_PER_DECISION):
                self._count(decision.choose(slots, chooser.rng).order)

    def why_not(self, i: int) -> str:
        """Return the code of what keeps a candidate out, see `state/explaining/left_out.py`; "" for one that is in most of the
        lists."""
        if not self._open[i]:
            return "blocked"
        if self.listed[i] >= 0.5:
            return ""
        if self._barred[i] * 2 > self._missed[i]:
            return "category_share" if self._barred_by_category[i] * 2 > self._barred[i] else "personal_share"
        return "less_likely"

    def _count(self, order: list[int]) -> None:
        self.listed[order] += 1 / (DECISIONS * LISTS_PER_DECISION)
        out = np.ones(len(self._open), dtype=np.bool_)
        out[order] = False
        self._missed += out
        above = order[:-1]
        allowed = self._rules.allowed(len(out), above)
        if allowed is None:
            return
        barred = out & self._open & ~allowed
        of_category = (self._codes[:, None] == self._codes[above]).sum(axis=1)
        self._barred += barred
        self._barred_by_category += barred & (of_category >= self._cap)
