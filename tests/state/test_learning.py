"""Sums, shards, the merged model and its codecs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from state.features import DIMENSION, FEATURE_SET
from state.learner import LearnerShard
from state.model import Merger, Predictor, Snapshot
from state.product_sums import ProductSums
from state.sums import Example, Sums

HOUR = 3_600_000
T0 = 1_763_770_000_000


def made_examples(seed: int, count: int, span_ms: int = 10 * HOUR) -> list[Example]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        x = rng.normal(size=DIMENSION).astype(np.float16).tobytes()
        reward = float(rng.random())
        at_ms = T0 + int(rng.integers(span_ms))
        found.append(Example(at_ms, f"product-{rng.integers(5)}", x, 1, reward, reward**2))
    return found


def reference(examples: list[Example], half_life_ms: int | None, now_ms: int, ridge: float) -> NDArray[np.float64]:
    """θ of the weighted ridge, one example at a time in plain floats."""
    a, b = ridge * np.eye(DIMENSION), np.zeros(DIMENSION)
    for example in examples:
        x = np.frombuffer(example.x, np.float16).astype(float)
        weight = 1.0 if half_life_ms is None else 2.0 ** ((example.exposed_at_ms - now_ms) / half_life_ms)
        a += weight * example.count * np.outer(x, x)
        b += weight * example.reward * x
    return np.asarray(np.linalg.solve(a, b))


def learn(examples: list[Example], shards: int, half_life_ms: int | None) -> Merger:
    merger = Merger(FEATURE_SET, "default", 1.0, 1_000)
    parts = [LearnerShard(f"default/{i}", Sums(DIMENSION, half_life_ms)) for i in range(shards)]
    for index, example in enumerate(examples):
        shard = parts[index % shards]
        shard.learn([example])
        if index % 7 == 0:
            merger.absorb(LearnerShard.decode(shard.encode()).take_update())
            shard.take_update()
    for shard in parts:
        merger.absorb(shard.take_update())
    return merger


@pytest.mark.parametrize("half_life_ms", [None, HOUR, 7 * HOUR])
@pytest.mark.parametrize("shards", [1, 3])
def test_the_model_is_the_weighted_ridge_of_its_examples(half_life_ms: int | None, shards: int) -> None:
    examples = made_examples(1, 300, span_ms=200 * HOUR)
    now_ms = T0 + 200 * HOUR
    predictor = Predictor(learn(examples, shards, half_life_ms).snapshot(now_ms))
    np.testing.assert_allclose(predictor.theta, reference(examples, half_life_ms, now_ms, 1.0), rtol=1e-9, atol=1e-12)


@given(st.randoms(use_true_random=False), st.integers(1, 5), st.sampled_from([None, HOUR]))
@settings(deadline=None, max_examples=25)
def test_neither_order_nor_shards_matter(random: object, shards: int, half_life_ms: int | None) -> None:
    examples = made_examples(2, 60, span_ms=100 * HOUR)
    shuffled = list(examples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plain = learn(examples, 1, half_life_ms).snapshot(T0 + 101 * HOUR)
    other = learn(shuffled, shards, half_life_ms).snapshot(T0 + 101 * HOUR)
    np.testing.assert_allclose(Predictor(other).theta, Predictor(plain).theta, rtol=1e-9, atol=1e-12)
    assert sorted(other.product_ids) == sorted(plain.product_ids)
    np.testing.assert_allclose(_numbers(other)[:, :2], _numbers(plain)[:, :2], rtol=1e-9)
    np.testing.assert_allclose(_numbers(other)[:, 2:], _numbers(plain)[:, 2:], rtol=1e-5, atol=1e-5)


def _numbers(snapshot: Snapshot) -> NDArray[np.float64]:
    """(products, 4): what the snapshot says of each product, in the order of ids."""
    return Predictor(snapshot).statistics[np.argsort(snapshot.product_ids)]


def pending(rows: dict[str, tuple[float, float]]) -> ProductSums:
    """Exposures and rewards of products, as a shard holds them before it hands them on."""
    sums = ProductSums(DIMENSION)
    for product, (exposures, reward) in rows.items():
        sums.add(product, exposures, 1, reward / max(exposures, 1.0), np.zeros(DIMENSION))
    return sums


def test_taking_an_example_back_leaves_nothing() -> None:
    examples = made_examples(3, 20)
    shard = LearnerShard("default/0", Sums(DIMENSION, None))
    shard.learn(examples)
    shard.learn([Example(e.exposed_at_ms, e.product_id, e.x, -1, -e.reward, -e.reward_squared) for e in examples])
    np.testing.assert_allclose(shard.sums.a, 0, atol=1e-9)
    np.testing.assert_allclose(shard.sums.b, 0, atol=1e-9)
    np.testing.assert_allclose(shard.sums.totals, 0, atol=1e-9)


@pytest.mark.parametrize(
    "x", [np.full(DIMENSION, np.nan), np.full(DIMENSION, np.inf), np.full(DIMENSION, 5e3), np.zeros(3)]
)
def test_what_is_not_finite_or_out_of_range_is_refused_and_counted(x: NDArray[np.float64]) -> None:
    sums = Sums(DIMENSION, None)
    assert sums.add(Example(T0, "p", x.astype(np.float16).tobytes(), 1, 0.5, 0.25)) == 0
    assert sums.refused == 1
    assert not sums.a.any()


def test_codecs_round_trip_and_refuse_other_versions() -> None:
    merger = learn(made_examples(4, 30), 2, HOUR)
    snapshot = merger.snapshot(T0)
    assert Snapshot.decode(snapshot.encode()) == snapshot
    restored = Merger(FEATURE_SET, "default", 1.0, 1_000)
    restored.restore(merger.encode())
    assert restored.snapshot(T0) == snapshot
    for decode in (Snapshot.decode, Sums.decode, LearnerShard.decode, restored.restore):
        with pytest.raises(ValueError, match="version"):
            decode(b"\xff" + snapshot.encode()[1:])
    with pytest.raises(ValueError, match="damaged"):
        Snapshot.decode(snapshot.encode()[:-5])


def test_a_snapshot_stays_below_what_readers_rely_on() -> None:
    merger = Merger(FEATURE_SET, "default", 1.0, 20_000)
    shard = LearnerShard("default/0", Sums(DIMENSION, None))
    shard.pending = pending({f"{i:0128}": (float(i), 0.5) for i in range(20_000)})
    merger.absorb(shard.take_update())
    data = merger.snapshot(T0).encode()
    assert len(data) <= 512 * 1024
    assert Snapshot.decode(data).product_ids[0] == f"{19_999:0128}"
    assert Predictor(Snapshot.decode(data)).statistics[0, 0] == 19_999.0


def test_products_of_the_merged_model_are_bounded() -> None:
    merger = Merger(FEATURE_SET, "default", 1.0, 100)
    for start in range(0, 1_000, 50):
        shard = LearnerShard("default/0", Sums(DIMENSION, None))
        shard.pending = pending({f"p{i}": (float(i), 0.0) for i in range(start, start + 50)})
        merger.absorb(shard.take_update())
        assert merger.products is not None
        assert len(merger.products) <= 125
    assert merger.products is not None
    assert "p999" in merger.products.product_ids


def test_examination_is_found_from_explored_items() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([1.0, 0.7, 0.4, 0.2])
    sums = Sums(DIMENSION, None)
    x = np.zeros(DIMENSION, dtype=np.float16).tobytes()
    for _ in range(8_000):
        place = int(rng.integers(4))
        click = float(rng.random() < 0.5 * truth[place])
        sums.add(Example(T0, "p", x, 1, click, click, position=place, seen=1, clicked=click))
    np.testing.assert_allclose(Sums.decode(sums.encode()).examination()[:4], truth, atol=0.05)
