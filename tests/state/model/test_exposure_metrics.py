"""How evenly products are exposed, against the definitions written out."""

import numpy as np
import pytest

from state.choosing.choice import Chooser
from state.feature_set import DIMENSION
from state.model.exposure_metrics import exposure_spread
from state.model.sums import Example
from tests.state.shop import T0, predictor_of, settings, shop


def slow_gini(counts: list[float]) -> float:
    """Half the mean difference of any two products, relative to the mean (Gini 1912)."""
    n, mean = len(counts), sum(counts) / len(counts)
    return sum(abs(a - b) for a in counts for b in counts) / (2 * n * n * mean)


@pytest.mark.parametrize("seed", range(5))
def test_the_gini_index_is_the_mean_difference_of_two_products(seed: int) -> None:
    counts = np.random.default_rng(seed).pareto(1.2, 60 + seed) + 1e-3
    spread = exposure_spread(np.append(counts, [0.0, -1.0]))
    assert spread.products == len(counts)
    assert spread.gini == pytest.approx(slow_gini(counts.tolist()), abs=1e-12)
    tail = sorted(counts, reverse=True)[round(0.2 * len(counts)) :]
    assert spread.tail_share == pytest.approx(sum(tail) / counts.sum())
    assert exposure_spread(7 * counts).gini == pytest.approx(spread.gini)


def test_the_ends_of_the_scale() -> None:
    assert exposure_spread(np.zeros(5)) == (0, 0.0, 0.0)
    assert exposure_spread(np.full(50, 3.0)) == pytest.approx((50, 0.0, 0.8))
    one = exposure_spread(np.append(np.full(999, 1e-9), 1.0))
    assert one.gini > 0.998
    assert exposure_spread(np.ones(1)) == (1, 0.0, 0.0)


def test_coverage_is_of_the_products_that_are_listed() -> None:
    chooser: Chooser = shop(settings(), products=10).chooser
    assert chooser.coverage() == 0
    x = np.zeros(DIMENSION, dtype=np.float16).tobytes()
    seen = [Example(T0, name, x, 1, 0, 0) for name in ("product-1", "product-2", "gone")]
    chooser.use_model(predictor_of(seen, DIMENSION))
    assert chooser.coverage() == pytest.approx(0.2)
    chooser.catalogue.remove("product-2")
    assert chooser.coverage() == pytest.approx(1 / 9)
