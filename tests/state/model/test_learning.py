"""Sums, shards, the merged model and its codecs."""

from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from state.codec import UnreadableError
from state.feature_set import DIMENSION, FEATURE_SET, prior_of
from state.model.learner import LearnerShard
from state.model.merger import IncompatibleModelError, Merger
from state.model.predictor import Predictor
from state.model.product_sums import ProductSums
from state.model.snapshot import Snapshot
from state.model.snapshot_rows import within_limit
from state.model.sums import Example, Sums
from tests.state.shop import make_merger, restored_merger

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
    a, b = ridge * np.eye(DIMENSION), ridge * prior_of(FEATURE_SET, DIMENSION)
    for example in examples:
        x = np.frombuffer(example.x, np.float16).astype(float)
        weight = 1.0 if half_life_ms is None else 2.0 ** ((example.exposed_at_ms - now_ms) / half_life_ms)
        a += weight * example.count * np.outer(x, x)
        b += weight * example.reward * x
    return np.asarray(np.linalg.solve(a, b))


def learn(examples: list[Example], shards: int, half_life_ms: int | None) -> Merger:
    merger = make_merger(half_life_ms)
    parts = [LearnerShard(f"default/{i}", Sums(DIMENSION, half_life_ms)) for i in range(shards)]
    for index, example in enumerate(examples):
        shard = parts[index % shards]
        shard.learn([example])
        if index % 7 == 0:
            merger.absorb(LearnerShard.decode(shard.encode()).drain_update(), T0)
            shard.drain_update()
    for shard in parts:
        merger.absorb(shard.drain_update(), T0)
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
        sums.add([product], np.array([[exposures, reward, 0.0]]), np.zeros((1, DIMENSION)))
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
    assert not sums.add([Example(T0, "p", x.astype(np.float16).tobytes(), 1, 0.5, 0.25)]).examples
    assert sums.refused == 1
    assert not sums.a.any()


def test_codecs_round_trip_and_refuse_other_versions() -> None:
    merger = learn(made_examples(4, 30), 2, HOUR)
    snapshot = merger.snapshot(T0)
    assert Snapshot.decode(snapshot.encode()) == snapshot
    assert restored_merger(merger).snapshot(T0) == snapshot
    for decode in (
        Snapshot.decode,
        Sums.decode,
        LearnerShard.decode,
        partial(Merger.decode, conditions=merger.conditions),
    ):
        with pytest.raises(ValueError, match="version"):
            decode(b"\xff" + snapshot.encode()[1:])
    with pytest.raises(ValueError, match="damaged"):
        Snapshot.decode(snapshot.encode()[:-5])


def test_a_snapshot_stays_below_what_readers_rely_on() -> None:
    merger = make_merger(max_products=20_000)
    shard = LearnerShard("default/0", Sums(DIMENSION, None))
    shard.pending = pending({f"{i:0128}": (float(i), 0.5) for i in range(20_000)})
    merger.absorb(shard.drain_update(), T0)
    data = merger.snapshot(T0).encode()
    assert len(data) <= 512 * 1024
    assert Snapshot.decode(data).product_ids[0] == f"{19_999:0128}"
    assert Predictor(Snapshot.decode(data)).statistics[0, 0] == 19_999.0


def test_an_exported_snapshot_is_one_that_can_be_imported() -> None:
    ids = [f"product-{number:0>100}" for number in range(6_000)]
    counts = np.column_stack([np.arange(6_000.0), np.zeros(6_000)])
    long = msgspec.structs.replace(
        base_of(made_examples(1, 3)), product_ids=ids, counts=counts.tobytes(), residuals=bytes(8 * 6_000)
    )
    with pytest.raises(UnreadableError, match="bytes, at most"):
        Snapshot.decode(long.encode())
    kept = Snapshot.decode(within_limit(long).encode())
    Predictor(kept)
    assert 3_000 < len(kept.product_ids) < 6_000
    assert kept.product_ids[0] == ids[-1]


def test_products_of_the_merged_model_are_bounded() -> None:
    merger = make_merger(max_products=100)
    for start in range(0, 1_000, 50):
        shard = LearnerShard("default/0", Sums(DIMENSION, None))
        shard.pending = pending({f"p{i}": (float(i), 0.0) for i in range(start, start + 50)})
        merger.absorb(shard.drain_update(), T0)
        assert len(merger.products) <= 125
    assert "p999" in merger.products.product_ids


def test_examination_is_found_from_explored_items() -> None:
    rng = np.random.default_rng(5)
    truth = np.array([1.0, 0.7, 0.4, 0.2])
    sums = Sums(DIMENSION, None)
    x = np.zeros(DIMENSION, dtype=np.float16).tobytes()
    examples = []
    for _ in range(8_000):
        place = int(rng.integers(4))
        click = float(rng.random() < 0.5 * truth[place])
        examples.append(Example(T0, "p", x, 1, click, click, position=place, seen=1, clicked=click))
    sums.add(examples)
    np.testing.assert_allclose(Sums.decode(sums.encode()).examination()[:4], truth, atol=0.05)


def base_of(examples: list[Example], half_life_ms: int | None = None, **conditions: Any) -> Snapshot:
    """The snapshot of another job that learned the examples."""
    merger = make_merger(half_life_ms, **conditions)
    merger.lineage = "elsewhere"
    shard = LearnerShard("default/0", Sums(DIMENSION, half_life_ms))
    shard.learn(examples)
    merger.absorb(shard.drain_update(), T0)
    return merger.snapshot(T0 - 1)


@pytest.mark.parametrize("half_life_ms", [None, 7 * HOUR])
def test_a_job_goes_on_from_the_snapshot_of_an_earlier_one(half_life_ms: int | None) -> None:
    before, after = made_examples(6, 80), made_examples(7, 50)
    merger = make_merger(half_life_ms)
    base = base_of(before, half_life_ms)
    assert merger.is_of_earlier_job(base)
    shard = LearnerShard("default/0", Sums(DIMENSION, half_life_ms))
    shard.learn(after[:20])
    merger.absorb(shard.drain_update(), T0)
    merger.adopt(base_of(before[:30], half_life_ms), T0)  # the topic may still hold an older one before the newest
    merger.adopt(base, T0)
    shard.learn(after[20:])
    merger.absorb(shard.drain_update(), T0)
    now_ms = T0 + 20 * HOUR
    predictor = Predictor(restored_merger(merger).snapshot(now_ms))
    np.testing.assert_allclose(
        predictor.theta, reference(before + after, half_life_ms, now_ms, 1.0), rtol=1e-9, atol=1e-12
    )
    whole = Predictor(learn(before + after, 1, half_life_ms).snapshot(now_ms))
    found = dict(zip(predictor.product_ids, predictor.statistics[:, :2].tolist(), strict=True))
    for product, row in zip(whole.product_ids, whole.statistics[:, :2].tolist(), strict=True):
        np.testing.assert_allclose(found[product], row, rtol=1e-9)


def test_what_was_explained_of_a_product_survives_the_way_through_a_snapshot() -> None:
    base = base_of(made_examples(8, 200))
    merger = make_merger()
    merger.start_from(base, T0)
    again = merger.snapshot(T0)
    before = dict(zip(base.product_ids, Predictor(base).statistics.tolist(), strict=True))
    after = dict(zip(again.product_ids, Predictor(again).statistics.tolist(), strict=True))
    for product in before:
        np.testing.assert_allclose(after[product], before[product], rtol=1e-4, atol=1e-4)


def test_a_rollback_forgets_what_came_between_and_learns_on() -> None:
    first, unwanted, later = made_examples(1, 40), made_examples(2, 40), made_examples(3, 40)
    merger = make_merger()
    shard = LearnerShard("default/0", Sums(DIMENSION, None))
    shard.learn(first)
    merger.absorb(shard.drain_update(), T0)
    archived = merger.snapshot(T0)
    shard.learn(unwanted)
    merger.absorb(shard.drain_update(), T0)
    merger.start_from(archived, T0)
    shard.learn(later)
    merger.absorb(shard.drain_update(), T0)
    theta = Predictor(restored_merger(merger).snapshot(T0)).theta
    np.testing.assert_allclose(theta, reference(first + later, None, T0, 1.0), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("conditions", [{"feature_set": "another"}, {"learned_from": "clicks only"}])
def test_statistics_of_other_terms_are_refused(conditions: dict[str, Any]) -> None:
    merger = make_merger()
    with pytest.raises(IncompatibleModelError, match="this job's is"):
        merger.start_from(base_of(made_examples(1, 5), **conditions), T0)
    assert merger.is_empty()


def test_own_and_later_snapshots_are_no_base() -> None:
    merger = make_merger()
    merger.start_from(base_of(made_examples(1, 5)), T0)
    own = merger.snapshot(T0 - 1)
    assert not merger.is_of_earlier_job(own)
    assert not merger.is_of_earlier_job(msgspec.structs.replace(base_of(made_examples(1, 5)), model_version=T0 + 1))


def test_a_changed_half_life_takes_effect_from_then_on() -> None:
    examples = made_examples(9, 60, span_ms=HOUR)
    shard = LearnerShard("default/0", Sums(DIMENSION, HOUR))
    shard.learn(examples)
    change_ms = T0 + 2 * HOUR
    shard.use_half_life(4 * HOUR, change_ms)
    merger = make_merger(4 * HOUR)
    merger.absorb(shard.drain_update(), change_ms)
    at_change = Predictor(merger.snapshot(change_ms))
    np.testing.assert_allclose(at_change.theta, reference(examples, HOUR, change_ms, 1.0), rtol=1e-9, atol=1e-12)
    faded = [Example(change_ms, e.product_id, e.x, e.count * w, e.reward * w, 0) for e in examples
             for w in [2.0 ** ((e.exposed_at_ms - change_ms) / HOUR)]]  # fmt: skip
    later_ms = change_ms + 8 * HOUR
    later = Predictor(merger.snapshot(later_ms))
    np.testing.assert_allclose(later.theta, reference(faded, 4 * HOUR, later_ms, 1.0), rtol=1e-9, atol=1e-12)
    assert later.statistics[:, 0].sum() == pytest.approx(sum(e.count for e in faded) / 4)
