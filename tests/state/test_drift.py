"""Drift is found where there is one, and a watch survives a restart."""

import numpy as np
import pytest

from state.drift import DriftWatch, shortened


def test_a_fall_of_rewards_is_found_and_a_steady_stream_is_not() -> None:
    rng = np.random.default_rng(1)
    watch = DriftWatch()
    steady = [watch.observe(float(rng.random() < 0.3)) for _ in range(5_000)]
    watch = DriftWatch.decode(watch.encode())
    fallen = [watch.observe(float(rng.random() < 0.1)) for _ in range(2_000)]
    assert sum(steady) == 0
    assert 0 < fallen.index(True) < 500
    assert watch.mean == pytest.approx(0.1, abs=0.03)


def test_memory_becomes_shorter_but_not_too_short() -> None:
    assert shortened(8_000, 100_000, 1_000) == 4_000
    assert shortened(1_500, 100_000, 1_000) == 1_000
    assert shortened(None, 100_000, 1_000) == 100_000
