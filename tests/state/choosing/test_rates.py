"""The product's own effect: shrinkage, and the variance between products, against data with known truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from state.catalogue.catalogue import Catalogue
from state.catalogue.product import Product
from state.choosing.rates import ModelRows
from state.choosing.shrinkage import effect_variance, own_effects

NOISE = 0.04


def residuals_of(
    tau: float, products: int, rng: np.random.Generator, exposures: float = 100.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Counts, sums of residuals, categories and true effects; categories differ by 0.02 on average."""
    codes = rng.integers(0, 8, products)
    effect = rng.normal(0, 0.02, 8)[codes] + rng.normal(0, tau, products)
    n = np.ceil(rng.exponential(exposures, products))
    return n, n * effect + rng.normal(0, np.sqrt(n * NOISE)), codes, effect


@pytest.mark.parametrize("tau", [0.02, 0.05, 0.1])
def test_the_spread_between_products_is_found(tau: float) -> None:
    rng = np.random.default_rng(3)
    estimates = []
    for _ in range(40):
        n, residuals, codes, _ = residuals_of(tau, 400, rng)
        estimates.append(effect_variance(n, residuals, codes, NOISE, mean_reward=2 * tau))
    assert np.mean(estimates) == pytest.approx(tau**2, rel=0.05)


def test_equal_products_have_the_smallest_spread_and_unknown_ones_the_prior() -> None:
    rng = np.random.default_rng(4)
    n, residuals, codes, _ = residuals_of(0.0, 2_000, rng, exposures=2_000)
    assert effect_variance(n, residuals, codes, NOISE, mean_reward=0.1) == pytest.approx((0.1 * 0.1) ** 2, rel=0.5)
    nobody = np.zeros(2_000)
    assert effect_variance(nobody, nobody, codes, NOISE, mean_reward=0.1) == pytest.approx((0.5 * 0.1) ** 2)


def test_the_effect_is_calibrated() -> None:
    """Errors in units of the stated deviation have variance 1, for products seen often, seldom and never."""
    rng = np.random.default_rng(5)
    scores: list[NDArray[np.float64]] = []
    for _ in range(200):
        n, residuals, codes, effect = residuals_of(0.05, 200, rng)
        n[:40], residuals[:40] = 0.0, 0.0
        mean, variance = own_effects(n, residuals, codes, NOISE, 0.05**2)
        scores.append((mean - effect) / np.sqrt(variance))
    spread = np.array(scores)
    assert spread[:, 40:].var() == pytest.approx(1, abs=0.05)
    assert spread[:, :40].var() == pytest.approx(1, abs=0.12)  # the category's mean is uncertain too


def test_a_product_nobody_has_seen_is_like_its_category() -> None:
    n = np.array([500.0, 500.0, 0.0, 0.0])
    mean, variance = own_effects(n, np.array([25.0, 35.0, 0.0, 0.0]), np.array([1, 1, 1, 0]), NOISE, 0.03**2)
    assert 0.05 < mean[2] < 0.06
    assert mean[3] == 0
    assert variance[2] == variance[3] == pytest.approx(0.03**2)
    assert variance[0] == pytest.approx(NOISE / (500 + NOISE / 0.03**2))


def test_the_rows_of_a_models_products_follow_the_catalogue_and_the_model() -> None:
    catalogue, rows = Catalogue(10, 10), ModelRows()
    for name in ("a", "b", "c"):
        catalogue.put(Product(product_id=name, category_id="k", title=name))
    row_of = catalogue.row_of
    assert rows.of(catalogue, ["a", "b"]).tolist() == [row_of["a"], row_of["b"]]
    assert rows.of(catalogue, ["a", "b", "c", "d"]).tolist() == [row_of["a"], row_of["b"], row_of["c"], -1]
    assert rows.of(catalogue, ["c", "b"]).tolist() == [row_of["c"], row_of["b"]]
    catalogue.remove("b")
    catalogue.put(Product(product_id="d", category_id="k", title="d"))
    assert rows.of(catalogue, ["c", "b", "d"]).tolist() == [row_of["c"], -1, row_of["d"]]
