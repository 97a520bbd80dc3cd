"""The disjoint form: a linear model of its own for every product, for small sets.

Li, Chu, Langford, Schapire 2010, "A contextual-bandit approach to personalized news article recommendation", algorithm 1: every
arm p has A_p = λI + Σ w e² x xᵀ and b_p = Σ w e r x, and nothing is shared but, here, the noise. The sums are additive and decay as
the shared model's do, so shards merge exactly. They lie in a row of float64: [Σ w r², b_p (d), upper triangle of Σ w e² x xᵀ].
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from state.model.posterior import PRIOR_NOISE, PRIOR_NOISE_WEIGHT
from state.model.sums import Vector, upper_triangle

ROUNDING = 1e-9
"""Of the largest eigenvalue of a covariance: so far below 0 one may come out that is not."""
_BYTES_BESIDE = 256
"""Of a product in a snapshot, besides its model: a long id, counts, residuals."""


def arm_width(dimension: int) -> int:
    """Return numbers that a product's model is kept in."""
    return 1 + dimension + dimension * (dimension + 1) // 2


def most_arms(dimension: int, room: int) -> int:
    """Return how many products' models are sure to fit into `room` bytes."""
    return room // (8 * arm_width(dimension) + _BYTES_BESIDE)


def write_arm(row: Vector, count: float, reward: float, reward_squared: float, x: Vector) -> None:
    """Add a weighted example with features (d) to a product's statistics, (`arm_width`,), in place."""
    dimension = len(x)
    row[0] += reward_squared
    if reward:
        row[1 : 1 + dimension] += reward * x
    if count:
        row[1 + dimension :] += count * np.outer(x, x)[upper_triangle(dimension)]


def improper_arms(table: Vector, dimension: int, ridge: float) -> NDArray[np.bool_]:
    """Return of statistics (P, `arm_width`) for which products λI + A_p is not positive definite, (P,): more was taken back of them
    than was told."""
    improper: NDArray[np.bool_] = np.linalg.eigvalsh(_matrices(table, dimension))[:, 0] <= (ROUNDING - 1) * ridge
    return improper


def _matrices(table: Vector, dimension: int) -> Vector:
    """The A_p of statistics (P, `arm_width`), (P, d, d)."""
    a = np.zeros((len(table), dimension, dimension))
    rows, columns = upper_triangle(dimension)
    a[:, rows, columns] = a[:, columns, rows] = table[:, 1 + dimension :]
    return a


@dataclass(frozen=True, slots=True)
class Arms:
    """The posteriors of P products, θ_p ~ N(`theta`, σ² `covariance`); the last row is the prior, of whichever other product.

    Attributes:
        row_of: the row of a product.
        theta: (P + 1, d).
        covariance: (P + 1, d, d), (λI + A_p)⁻¹.
        noise: σ², of one reward about its product's prediction, from all products together.
    """

    row_of: dict[str, int]
    theta: Vector
    covariance: NDArray[np.float64]
    noise: float

    @property
    def is_proper(self) -> bool:
        """Whether every λI + A_p is positive definite, as it is where exposures sum up to A_p."""
        values = np.linalg.eigvalsh(self.covariance)
        return bool((values > -ROUNDING * np.abs(values).max()).all())

    @classmethod
    def of(cls, product_ids: Sequence[str], counts: Vector, table: Vector, dimension: int, ridge: float) -> "Arms":
        """Return posteriors from statistics (P, `arm_width`) and exposures (P,), all as of one time, under the prior N(0, σ²/λ
        I)."""
        size = len(product_ids)
        a = np.zeros((size + 1, dimension, dimension))
        b = np.zeros((size + 1, dimension))
        b[:size] = table[:, 1 : 1 + dimension]
        a[:size] = _matrices(table, dimension)
        covariance = np.linalg.inv(a + ridge * np.eye(dimension))
        theta = np.einsum("pij,pj->pi", covariance, b)
        explained = 2 * np.einsum("pi,pi->", theta, b) - np.einsum("pi,pij,pj->", theta, a, theta)
        residual, weight = max(0.0, float(table[:, 0].sum() - explained)), max(0.0, float(np.sum(counts)))
        noise = (residual + PRIOR_NOISE_WEIGHT * PRIOR_NOISE) / (weight + PRIOR_NOISE_WEIGHT)
        return cls({product: row for row, product in enumerate(product_ids)}, theta, covariance, noise)

    @classmethod
    def prior(cls, dimension: int, ridge: float) -> "Arms":
        """Return what is believed before any product is known."""
        return cls.of([], np.zeros(0), np.zeros((0, arm_width(dimension))), dimension, ridge)

    def coefficients(self, product_ids: Sequence[str]) -> Vector:
        """Return θ_p of each product, (n, d)."""
        return self.theta.take(self._rows(product_ids), axis=0)

    def believe(self, product_ids: Sequence[str], x: Vector) -> tuple[Vector, Vector]:
        """Return posterior mean and variance (n,) of the expected rewards of n products, each with its own features in x (n, d)."""
        rows = self._rows(product_ids)
        mean = np.einsum("ij,ij->i", x, self.theta.take(rows, axis=0))
        spread = np.matmul(self.covariance.take(rows, axis=0), x[:, :, None])[:, :, 0]
        return mean, self.noise * np.maximum(0.0, np.einsum("ij,ij->i", spread, x))

    def _rows(self, product_ids: Sequence[str]) -> NDArray[np.int64]:
        other, row_of = len(self.theta) - 1, self.row_of
        return np.array([row_of.get(product, other) for product in product_ids], dtype=np.int64)
