"""Beliefs about one visitor, by Bayes' rule from the law that visitors are drawn from: exact for `two` tastes, else by particles.

A belief is (C, L, Z): for each category, the probability of each level of match together with each attitude to prices.
"""

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.evidence import Grid, Likelihood
from benchmarks.lab.truth import LIKED_FROM, OTHERS_MATCH, REGIONS, SECOND_MATCH, SPREAD, Truth, Vector

OTHER, SECOND, FIRST = 0, 1, 2
LEVELS = 41
PARTICLES = 4_000
TILT = 1.0
"""What a browsed category adds to the concentration that half of the particles are drawn with."""
CLICK_TILT = 0.5
NEGLIGIBLE = 1e-6
"""Particles of less than this part of the largest weight are dropped."""


class Law(Protocol):
    """Inference for one law of visitors."""

    grid: Grid

    def belief(self, likelihood: Likelihood, region: int) -> Vector:
        """The posterior (C, L, Z)."""


class Pairs:
    """All ordered pairs of categories, each with all attitudes: exact up to the grid of budgets."""

    def __init__(self, truth: Truth) -> None:
        self.grid = Grid(truth, np.array([OTHERS_MATCH, SECOND_MATCH, 1.0]))
        self._prior = [self._log(truth.pair_odds(region)) for region in range(len(REGIONS))]
        total = SECOND_MATCH + 1.0
        self._first, self._second = math.log(1.0 / total), math.log(SECOND_MATCH / total)

    def belief(self, likelihood: Likelihood, region: int) -> Vector:
        """See `Law.belief`."""
        logs = (self._prior[region] + self._browsed(likelihood.browsed))[:, :, None] + self._sum(likelihood.logs)
        for seen, none in likelihood.some:
            logs += _log_less(self._sum(seen), self._sum(none))
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        belief = np.empty(self.grid.shape)
        belief[:, FIRST], belief[:, SECOND] = weights.sum(axis=1), weights.sum(axis=0)
        belief[:, OTHER] = np.maximum(0.0, weights.sum(axis=(0, 1)) - belief[:, FIRST] - belief[:, SECOND])
        return belief

    def _browsed(self, browsed: Vector) -> Vector:
        """log P (first, second) of the browsed categories, which are one of the two each time."""
        logs = browsed[:, None] * self._first + browsed[None, :] * self._second
        likely: Vector = np.where(browsed[:, None] + browsed[None, :] == browsed.sum(), logs, -np.inf)
        return likely

    def _sum(self, logs: Vector) -> Vector:
        """Σ over categories, for each (first, second, attitude)."""
        others = logs[:, OTHER]
        first, second = logs[:, FIRST] - others, logs[:, SECOND] - others
        total: Vector = others.sum(axis=0) + first[:, None] + second[None, :]
        return total

    @staticmethod
    def _log(odds: Vector) -> Vector:
        with np.errstate(divide="ignore"):
            logs: Vector = np.log(odds)
        return logs


class Particles:
    """Importance sampling, with the attitudes summed over exactly (Rao-Blackwell).

    Each belief draws PARTICLES visitors anew, half by the law itself and half by a Dirichlet distribution with more on what was
    browsed and clicked, which is about where the posterior is. Weights are those of the mixture of both (Owen and Zhou 2000), so
    they are bounded. A particle's match lies between two of LEVELS levels, and logarithms are taken as linear between them.

    Attributes:
        effective: the effective sample size (Σw)²/Σw² of each belief so far.
    """

    def __init__(self, truth: Truth, seed: int, particles: int = PARTICLES) -> None:
        self.grid = Grid(
            truth, np.linspace(0.0, 1.0, LEVELS) ** 2
        )  # closer together where a chance may be next to nothing
        self.effective: list[float] = []
        self._rng = np.random.default_rng([seed, 50])
        self._particles = particles

    def belief(self, likelihood: Likelihood, region: int) -> Vector:
        """See `Law.belief`."""
        match, logs = self._draw(likelihood, region)
        lower, part = self._between(match)
        joint = logs[:, None] + self._sum(likelihood.logs, lower, part)
        for seen, none in likelihood.some:
            joint += _log_less(self._sum(seen, lower, part), self._sum(none, lower, part))
        weights = np.exp(joint - joint.max())
        weights /= weights.sum()
        each = weights.sum(axis=1)
        self.effective.append(float(1 / (each @ each)))
        kept = each > NEGLIGIBLE * each.max()
        return self._spread(weights[kept] / each[kept].sum(), lower[kept], part[kept])

    def _draw(self, likelihood: Likelihood, region: int) -> tuple[Vector, Vector]:
        """Matches (n, C) of those who may have browsed as the visitor did, and the logarithms of their weights (n,)."""
        added = TILT * likelihood.browsed + CLICK_TILT * likelihood.clicked
        while True:
            shares, logs = self._proposed(added)
            match = self.grid.truth.spread_match(shares, region)
            liked = np.where(match >= LIKED_FROM, match, 0.0)
            with np.errstate(divide="ignore"):
                browsing = np.log(liked / liked.sum(axis=1, keepdims=True))
            codes = np.flatnonzero(likelihood.browsed)
            logs += browsing[:, codes] @ likelihood.browsed[codes]
            alive = np.isfinite(logs)
            if alive.any():
                return match[alive], logs[alive]
            added = 2 * added  # many categories, each of which must be liked

    def _proposed(self, added: Vector) -> tuple[Vector, Vector]:
        """Shares (n, C), and log (law / proposal) of each."""
        law = np.full(len(added), SPREAD)
        tilted = law + added
        is_tilted = (np.arange(self._particles) % 2 == 1)[:, None]
        drawn = self._rng.standard_gamma(np.where(is_tilted, tilted, law))
        shares = drawn / drawn.sum(axis=1, keepdims=True)
        codes = np.flatnonzero(added)
        scale = _log_beta(law) - _log_beta(tilted)
        with np.errstate(divide="ignore"):
            ratio = scale + np.log(shares[:, codes]) @ added[codes]
        return shares, math.log(2.0) - np.logaddexp(0.0, ratio)

    def _between(self, match: Vector) -> tuple[NDArray[np.int64], Vector]:
        """The level below each match, and how far it is to the next."""
        levels = self.grid.levels
        lower = np.minimum((np.sqrt(match) * (LEVELS - 1)).astype(np.int64), LEVELS - 2)
        return lower, (match - levels[lower]) / (levels[lower + 1] - levels[lower])

    def _sum(self, logs: Vector, lower: NDArray[np.int64], part: Vector) -> Vector:
        """Σ over categories (n, Z), linear between levels."""
        total = np.zeros((len(lower), logs.shape[-1]))
        for code in np.flatnonzero(logs.any(axis=(1, 2))):
            below, share = lower[:, code], part[:, code, None]
            total += (1 - share) * logs[code, below] + share * logs[code, below + 1]
        return total

    def _spread(self, weights: Vector, lower: NDArray[np.int64], part: Vector) -> Vector:
        """The belief: each particle's weight goes to the two levels next to its match."""
        categories, levels, attitudes = self.grid.shape
        below = (np.arange(categories) * levels + lower).ravel()
        belief = np.empty(self.grid.shape)
        for z in range(attitudes):
            weight = weights[:, z, None]
            summed = np.bincount(below, ((1 - part) * weight).ravel(), categories * levels)
            summed += np.bincount(below + 1, (part * weight).ravel(), categories * levels)
            belief[:, :, z] = summed.reshape(categories, levels)
        return belief


def _log_less(larger: Vector, smaller: Vector) -> Vector:
    """log(e^larger - e^smaller)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        less: Vector = larger + np.log(-np.expm1(np.minimum(smaller - larger, 0.0)))
    return less


def _log_beta(concentration: Vector) -> float:
    return sum(map(math.lgamma, concentration.tolist())) - math.lgamma(float(concentration.sum()))
