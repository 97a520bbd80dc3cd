"""The posterior of a linear model from its sufficient statistics."""

from dataclasses import dataclass

import numpy as np

from state.model.sums import Sums, Vector

PRIOR_NOISE = 0.04
"""σ² before anything is known: rewards in [0, 1], most of them 0."""
PRIOR_NOISE_WEIGHT = 10.0
"""Exposures' worth of the prior noise in the estimate."""
PRIOR_REWARD = 0.05
"""Mean reward of an exposure before anything is known."""


@dataclass(frozen=True, slots=True)
class Posterior:
    """θ ~ N(`theta`, σ² W Wᵀ) in d dimensions, as of one time (Bishop 2006, "Pattern Recognition", eq. 3.53-3.54).

    Attributes:
        theta: (d,) θ̂ = (λI + A)⁻¹ (λθ₀ + b).
        whitener: (d, d) W with W Wᵀ = (λI + A)⁻¹.
        noise: σ², the weighted variance of the rewards about the prediction.
        weight: Σ w, the exposures that count.
        mean_reward: Σ w r / Σ w.
        is_proper: whether λI + A is positive definite, as it is where exposures sum up to A.
    """

    theta: Vector
    whitener: Vector
    noise: float
    weight: float
    mean_reward: float
    is_proper: bool

    @classmethod
    def of(cls, sums: Sums, ridge: float, now_ms: int, prior: Vector) -> "Posterior":
        """Return the posterior as of `now_ms` under the prior θ ~ N(θ₀, σ²/λ I), which does not decay; `prior` is θ₀ (d,).

        σ² is (Σ w r² - 2 θ·b + θᵀAθ + ν s)/(Σ w + ν): the residual sum of squares from the sums alone, with a prior of ν
        exposures of variance s. What products differ by on their own is in it too; it is small next to the noise of one reward.
        """
        fade = sums.fade(now_ms)
        theta = sums.coefficients(ridge, now_ms, prior)
        a, b = fade * sums.a, fade * sums.b
        weight, reward, squares = (max(0.0, float(total)) for total in fade * sums.totals)
        residual = max(0.0, squares - 2 * float(theta @ b) + float(theta @ a @ theta))
        noise = (residual + PRIOR_NOISE_WEIGHT * PRIOR_NOISE) / (weight + PRIOR_NOISE_WEIGHT)
        values, vectors = np.linalg.eigh(a)
        whitener = np.ascontiguousarray(vectors / np.sqrt(ridge + np.maximum(0.0, values)))
        mean = float(np.clip(reward / weight, 0.001, 1.0)) if weight > 0 else PRIOR_REWARD
        return cls(theta, whitener, noise, weight, mean, bool(values[0] > -ridge))
