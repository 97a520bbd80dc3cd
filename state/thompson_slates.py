"""Slates of linear Thompson sampling without rules of the shop's, which is the default: one call from candidates to slate.

It chooses as the steps of `Chooser` do one by one, which serve all other policies and rules. A test holds both to each other.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.features import DIMENSION, Context, session_knowledge
from state.kernels import thompson_slate
from state.policy.belief import root_of
from state.policy.normals import Normals
from state.policy.thompson import LinearThompson
from state.posterior import Posterior
from state.rates import Rates
from state.sources.shelf import Shelf
from state.variety import Mix


class Drawn(NamedTuple):
    """k items in order: rows of the catalogue, the codes of their sources, the probability of each to stand there, whether another
    was better by value, the rewards expected of them (k,), and their features, k × d float16 bytes."""

    rows: list[int]
    sources: list[int]
    propensity: list[float]
    explored: list[bool]
    values: NDArray[np.float64]
    features: bytes


class ThompsonSlates:
    """Draws slates under one posterior."""

    def __init__(
        self, policy: LinearThompson, shelf: Shelf, rng: np.random.Generator, normals: Normals, mix: Mix
    ) -> None:
        self._mix = mix
        self._policy = policy
        self._shelf = shelf
        self._rng = rng
        self._normals = normals

    def use(self, posterior: Posterior, rates: Rates) -> None:
        """Draws from this posterior from now on."""
        self._theta, self._table = posterior.theta, rates.table
        self._weight = self._mix.weight(posterior.mean_reward)
        self._root = root_of(posterior.whitener, posterior.noise, self._policy.scale)

    def draw(self, context: Context, most: int, slots: int) -> Drawn:
        """A slate of at most `slots` of at most `most` candidates."""
        catalogue, policy = self._shelf.catalogue, self._policy
        catalogue.make_room()
        of = self._shelf.offers(context.asked, most)
        categories, products, now_ms, last_code, visits = session_knowledge(context, catalogue)
        items, told, features = thompson_slate(
            of.rows,
            of.pool,
            catalogue.active,
            of.excluded,
            of.anywhere,
            catalogue.stamp,
            catalogue.next_mark(),
            self._table,
            categories,
            products,
            now_ms,
            last_code,
            visits,
            of.told,
            of.moment,
            catalogue.code_slot,
            catalogue.row_slot,
            self._theta,
            self._root,
            policy.scale,
            policy.floor,
            self._rng.random(most + 2 * slots),
            most,
            self._normals.take(policy.draws * (DIMENSION + most)),
            policy.draws,
            catalogue.category,
            of.personal,
            self._mix.caps,
            self._weight,
            self._mix.boosts,
        )
        rows, sources = items.tolist()
        return Drawn(rows, sources, told[0].tolist(), (told[1] > 0).tolist(), told[2], features.tobytes())
