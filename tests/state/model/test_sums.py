"""Sums add examples as matrix algebra would."""

import numpy as np
import pytest

from state.kernels.learning import are_within
from state.model.learner import LearnerShard
from state.model.sums import LARGEST_FEATURE, POSITIONS, Example, Sums

DIMENSION = 7
HALF_LIFE_MS = 3_600_000
T0 = 1_763_770_000_000


def examples(count: int) -> list[Example]:
    """Examples of some products at many places, one beyond those that are counted."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(count, DIMENSION)).astype(np.float16)
    return [
        Example(
            T0 + i * 60_000, f"p{i % 5}", x[i].tobytes(), i % 3, i / 100, i / 200, i % (POSITIONS + 2) - 1, 1, i / 50
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("half_life_ms", [None, HALF_LIFE_MS])
def test_what_is_added_is_what_algebra_adds(half_life_ms: int | None) -> None:
    shard, taught = LearnerShard("s", Sums(DIMENSION, half_life_ms)), examples(90)
    for start in range(0, len(taught), 9):
        shard.learn(taught[start : start + 9])
    sums = shard.sums
    x = np.array([e.features() for e in taught])
    weight = np.array([2.0 ** sums.half_lives_to(e.exposed_at_ms) for e in taught])
    count, reward = weight * [e.count for e in taught], weight * [e.reward for e in taught]
    np.testing.assert_allclose(sums.a, (count * x.T) @ x, atol=1e-9)
    np.testing.assert_allclose(sums.b, reward @ x, atol=1e-9)
    squared = float(weight @ [e.reward_squared for e in taught])
    np.testing.assert_allclose(sums.totals, [count.sum(), reward.sum(), squared])
    for place in range(POSITIONS):
        there = [(w, w * e.clicked) for w, e in zip(weight, taught, strict=True) if e.position == place]
        np.testing.assert_allclose(sums.positions[:, place], np.sum(there, axis=0))
    for product, row in zip(shard.pending.product_ids, shard.pending.table, strict=True):
        own = np.array([e.product_id == product for e in taught])
        np.testing.assert_allclose(row, [count[own].sum(), reward[own].sum(), *(count[own] @ x[own])], atol=1e-9)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1_001.0, -1_001.0])
def test_one_value_beyond_the_range_is_found(value: float) -> None:
    x = np.full((3, DIMENSION), LARGEST_FEATURE)
    assert are_within(x, LARGEST_FEATURE)
    x[2, 1] = value
    assert not are_within(x, LARGEST_FEATURE)


def test_nothing_to_add_changes_nothing() -> None:
    sums = Sums(DIMENSION, HALF_LIFE_MS)
    sums.add(examples(3))
    before = sums.encode()
    assert not sums.add([]).examples
    assert sums.encode() == before
