"""The configured variety as rules over the candidates of one choice, and as numbers for the kernel that chooses in one call."""

import math

import numpy as np
from numpy.typing import NDArray

from state.candidates.candidates import Candidates
from state.choosing.features import Rounded
from state.configuration import Variety
from state.feature_set import Feature
from state.kernels import Balance, boosts_of
from state.policy.balance import Balanced, Boosted
from state.policy.rules import NO_RULES, Rules, combine

_ROUNDING = 9
"""Digits of a share of a list: 0.55 × 20 is 11 and not a little more."""


class Mix:
    """Rules of `variety` for a list of so many `items`.

    Attributes:
        caps: (2,) most items of one category, at least one, and most items that what the session did led to.
        boosts: (3,) what is added for newer, better rated and more viewed products, see `boosts_of`.
        binds: whether a balance can change any list.
    """

    def __init__(self, variety: Variety, items: int) -> None:
        of_category = max(1, math.ceil(round(variety.category_share * items, _ROUNDING)))
        personal = math.floor(round(variety.personal_share * items, _ROUNDING))
        self.caps: NDArray[np.int64] = np.array([of_category, personal], dtype=np.int64)
        self.boosts: NDArray[np.float64] = np.array(
            [variety.boosts.newer, variety.boosts.rated, variety.boosts.viewed], dtype=np.float64
        )
        self._diversity = variety.diversity
        self.binds = bool(of_category < items or personal < items or variety.diversity)

    def weight(self, mean_reward: float) -> float:
        """Return what an item loses where one just like it stands above: a share of the mean reward of an exposure, so that it
        weighs the same against what items differ by whether a shop's visitors click on one item of five or of fifty."""
        return self._diversity * mean_reward

    def boost(self, columns: Rounded) -> Rules:
        """Return the boosts over candidates with the features `columns` (d, n)."""
        return Boosted(boosts_of(columns, self.boosts)) if self.boosts.any() else NO_RULES

    def over(self, rules: Rules, candidates: Candidates, columns: Rounded, mean_reward: float) -> Rules:
        """Return the shop's `rules` within the boosts and the balance: boosts first, what is taken off for likeness last."""
        base = combine(self.boost(columns), rules)
        if not self.binds:
            return base
        price, rating = columns[Feature.PRICE], columns[Feature.RATING]
        weight = self.weight(mean_reward)
        return Balanced(base, Balance(candidates.codes, candidates.personal, self.caps, weight, price, rating))
