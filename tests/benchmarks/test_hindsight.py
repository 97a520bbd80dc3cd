"""Bounds in hindsight: what is known beforehand can only help, and nothing is above the candidates."""

import numpy as np
import pytest

from benchmarks.lab import hindsight
from benchmarks.lab.hindsight import Seen


@pytest.fixture(scope="module")
def shares() -> dict[str, float]:
    return hindsight.hindsight("linear", 100, 250)


def test_knowing_the_shop_and_the_visitor_is_worth_something(shares: dict[str, float]) -> None:
    assert shares["features"] < shares["appeal"] < shares["taste"]


def test_nothing_is_above_the_best_candidates(shares: dict[str, float]) -> None:
    assert max(shares.values()) == shares["candidates"] <= 1.0


@pytest.mark.parametrize("is_log", [False, True])
def test_a_fit_finds_the_coefficients_that_made_the_chances(is_log: bool) -> None:
    rng = np.random.default_rng(1)
    theta = np.array([-2.0, 0.3, -0.2]) if is_log else np.array([0.3, 0.05, -0.1])
    pages = []
    for _ in range(40):
        x = np.column_stack([np.ones(20), rng.random((20, 2))])
        chances = np.exp(x @ theta) if is_log else x @ theta
        pages.append(Seen("s", "", x, chances, rng.random(20) < 0.5, np.zeros(20, np.int64), {}, 1.0, 0.0))
    found = hindsight._fit(pages, lambda page: page.x, is_log=is_log)
    assert found == pytest.approx(theta, abs=2e-3)
