"""The quick Beta draws against exact ones, and the joint draws of the linear model against their covariance."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from state.policy.thompson import beta_draws
from tests.state.policy.beliefs import belief_of


@pytest.mark.parametrize(("alpha", "count"), [(1.0, 20.0), (2.0, 40.0), (5.0, 100.0), (40.0, 100.0), (60.0, 1_000.0)])
def test_quick_beta_draws_are_nearly_beta(alpha: float, count: float) -> None:
    """No probability is off by more than 0.02, from the prior of twenty pseudo-exposures at a rate of 0.05 upwards."""
    normal = np.random.default_rng(1).standard_normal(200_000, dtype=np.float32)
    draws = beta_draws(np.array([alpha]), np.array([count]), normal)[:, 0]
    assert stats.kstest(draws, stats.beta(alpha, count - alpha).cdf).statistic < 0.02
    assert draws.mean() == pytest.approx(alpha / count, rel=0.01)
    assert draws.min() >= 0


def test_joint_draws_have_the_posterior_covariance() -> None:
    """Candidates share one θ per draw: what is alike is drawn alike."""
    belief = belief_of(5)
    draws = belief.draws(200_000, np.random.default_rng(2))
    covariance = belief.noise * belief.x @ belief.whitener @ belief.whitener.T @ belief.x.T + np.diag(
        belief.own_variance
    )
    scale = np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose((np.cov(draws.T) - covariance) / scale, 0, atol=0.02)
    np.testing.assert_allclose(belief.deviation() ** 2, np.diag(covariance), rtol=1e-9)
    np.testing.assert_allclose(draws.mean(axis=0), belief.mean, atol=0.01)


def test_one_model_per_product_is_a_belief_without_shared_features() -> None:
    """The disjoint form: no θ in common, all variance the product's own; draws are then independent."""
    belief = dataclasses.replace(belief_of(4), x=np.zeros((4, 0)), whitener=np.zeros((0, 0)))
    draws = belief.draws(100_000, np.random.default_rng(3))
    correlation = np.corrcoef(draws.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.02
    np.testing.assert_allclose(belief.deviation(), np.sqrt(belief.own_variance))
