"""What the model believes of the candidates of one choice: all that a policy may look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from state.kernels import joint_draws
from state.policy.normals import Normals

Values = NDArray[np.float64]
Draws = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Belief:
    """Beliefs about n candidates; rewards are in [-1, 1].

    The reward of candidate i is believed to be xᵢ·θ + uᵢ + noise, with θ ~ N(θ̂, σ² W Wᵀ) shared by all candidates and the
    product's own effect uᵢ ~ N(ûᵢ, sᵢ²) independent of all else (Rasmussen and Williams 2006, "Gaussian Processes for Machine
    Learning", section 2.1, for θ). W is any square root of (λI + A)⁻¹. A model per product has d = 0: all is its own.

    Attributes:
        mean: (n,) expected reward, xᵢ·θ̂ + ûᵢ.
        x: (n, d) features as they were rounded for the log.
        whitener: (d, d), W.
        noise: σ², the variance of one reward about its mean.
        own_variance: (n,), sᵢ².
        exposures: (n,) weighted count nᵢ of the product's exposures.
        rewards: (n,) their weighted sum of rewards.
        prior: (n,) the mean reward of the product's category, in [0, 1]: the prior of a product that nobody has seen.
        total: weighted count of all exposures that the snapshot learned from, the policies' t.
        product_ids: n ids, for policies that keep arms of their own.
        normals: where draws take their normal variables from; None for fresh ones.
    """

    mean: Values
    x: Values | NDArray[np.float32]
    whitener: Values
    noise: float
    own_variance: Values
    exposures: Values
    rewards: Values
    prior: Values
    total: float
    product_ids: Sequence[str] = ()
    normals: Normals | None = None

    def __len__(self) -> int:
        """n."""
        return len(self.mean)

    def shared_factor(self) -> Values:
        """Return (n, d): row i is wᵢ = σ Wᵀxᵢ, so that xᵢ·θ has the posterior covariance wᵢ·wⱼ."""
        factor: Values = np.sqrt(self.noise) * (self.x @ self.whitener)
        return factor

    def deviation(self) -> Values:
        """Return (n,) posterior standard deviation of the expected reward, the product's own effect included."""
        factor = self.shared_factor()
        deviation: Values = np.sqrt(np.einsum("ij,ij->i", factor, factor) + self.own_variance)
        return deviation

    def draws(self, count: int, rng: np.random.Generator, scale: float = 1.0) -> Draws:
        """Return (count, n) joint posterior draws of the expected rewards: one θ per draw for all candidates, one u per candidate.

        `scale` multiplies their standard deviations.
        """
        width = self.whitener.shape[1]
        normal = self.standard_normal(count * (width + len(self)), rng)
        draws: Draws = joint_draws(
            np.ascontiguousarray(self.x.T, dtype=np.float32),
            self.mean,
            self.own_variance,
            root_of(self.whitener, self.noise, scale),
            scale,
            normal[: count * width].reshape(count, width),
            normal[count * width :].reshape(count, len(self)),
        )
        return draws

    def standard_normal(self, size: int, rng: np.random.Generator) -> Draws:
        """Return (size,) standard normal variables, independent of each other; to be read only."""
        return rng.standard_normal(size, dtype=np.float32) if self.normals is None else self.normals.draw(size)

    def rates(self, prior_exposures: float) -> tuple[Values, Values]:
        """Return weighted counts and sums of rewards in [0, count] per product, (n,) each, the category's pseudo-counts
        included."""
        count = self.exposures + prior_exposures
        reward = np.clip(self.rewards + prior_exposures * self.prior, 0.0, count)
        return count, reward


def root_of(whitener: Values, noise: float, scale: float) -> Draws:
    """Return (d, d) float32: a row of d standard normal variables times this has `scale`² times the covariance of θ."""
    return np.ascontiguousarray(scale * np.sqrt(noise) * whitener.T, dtype=np.float32)
