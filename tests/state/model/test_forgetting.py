"""Forgetting: recovery where the world changes, and features that fall silent."""

import numpy as np
from numpy.typing import NDArray

from state.model.learner import LearnerShard
from state.model.posterior import Posterior
from state.model.predictor import Predictor
from state.model.sums import Example, Sums
from tests.state.policy.lab import Experiment, World
from tests.state.shop import make_merger, restored_merger

HALF_LIFE_MS = 3_600_000
T0 = 1_763_770_000_000


def example(at_ms: int, x: list[float], reward: float, product: str = "p") -> Example:
    return Example(at_ms, product, np.array(x, dtype=np.float16).tobytes(), 1, reward, reward**2)


SEEDS = (3, 4, 5, 6, 7)


def world_that_turns(half_life: str | None) -> NDArray[np.float64]:
    """At midday the products' rates are turned upside down; mean rewards by round, averaged over the seeds."""
    runs = []
    for seed in SEEDS:
        world = World(products=20, categories=2, spread=1.2)
        experiment = Experiment(world, seed, policy="lin_ucb", half_life=half_life)
        experiment.list_products(range(20))
        morning = experiment.rounds(80, sessions=10)
        by_rate = np.argsort(world.rates)
        world.rates[by_rate] = world.rates[by_rate[::-1]]
        runs.append([*morning, *experiment.rounds(80, sessions=10)])
    average: NDArray[np.float64] = np.mean(runs, axis=0)
    return average


def test_forgetting_recovers_when_the_best_product_changes_at_midday() -> None:
    """80 rounds of a minute each; with a half-life of 30 minutes the evening is nearly as good as the morning, else it is not."""
    forgetting, remembering = world_that_turns("30 min"), world_that_turns(None)
    morning, evening = slice(50, 80), slice(130, 160)
    assert np.mean(forgetting[evening]) > 0.85 * np.mean(forgetting[morning])
    assert np.mean(remembering[evening]) < 0.6 * np.mean(remembering[morning])


def test_a_silent_feature_neither_blows_up_nor_freezes() -> None:
    """A feature that is not seen for 100 half-lives is as unknown as at the start, and is learned anew when it returns."""
    rng = np.random.default_rng(1)
    shard = LearnerShard("default/0", Sums(2, HALF_LIFE_MS))
    step_ms = HALF_LIFE_MS // 10
    for step in range(200):
        shard.learn([example(T0 + step * step_ms, [1, 1], 0.9, "seasonal")])
    spoken = Posterior.of(shard.sums, 1.0, T0 + 200 * step_ms, np.zeros(2))
    for step in range(200, 1_200):
        shard.learn([example(T0 + step * step_ms, [1, 0], float(rng.random() < 0.2))])
    now_ms = T0 + 1_200 * step_ms
    silent = Posterior.of(shard.sums, 1.0, now_ms, np.zeros(2))
    assert spoken.theta[1] > 0.3
    assert abs(silent.theta[1]) < 1e-9
    deviation = np.sqrt((silent.whitener @ silent.whitener.T)[1, 1])
    assert abs(deviation - 1.0) < 1e-9  # the prior's, as if it had never been seen
    for step in range(1_200, 1_260):
        shard.learn([example(T0 + step * step_ms, [1, 1], -0.5, "seasonal")])
    again = Posterior.of(shard.sums, 1.0, T0 + 1_260 * step_ms, np.zeros(2))
    assert abs(again.theta.sum() + 0.5) < 0.1
    assert np.isfinite(shard.sums.a).all()


def test_a_snapshot_states_products_as_of_its_time() -> None:
    """After one half-life a product's exposures count half, and after a thousand nothing overflows."""
    shard = LearnerShard("default/0", Sums(2, HALF_LIFE_MS))
    shard.learn([example(T0, [1, 0.5], 1.0, "a")] * 4)
    merger = make_merger(HALF_LIFE_MS, 10, "plain", 2)
    merger.absorb(shard.drain_update(), T0)
    now = Predictor(merger.snapshot(T0)).statistics[0]
    later = Predictor(merger.snapshot(T0 + HALF_LIFE_MS)).statistics[0]
    assert np.allclose(now[:2], [4, 4], rtol=1e-6)
    assert np.allclose(later[:2], [2, 2], rtol=1e-6)
    assert Predictor(merger.snapshot(T0 + 1_000 * HALF_LIFE_MS)).posterior.weight < 1e-200


def test_residuals_are_taken_against_the_newest_coefficients() -> None:
    """Sums of two shards at different landmarks, against residuals computed one by one."""
    rng = np.random.default_rng(2)
    merger = make_merger(HALF_LIFE_MS, 100, "plain", 2)
    shards = [LearnerShard(f"default/{i}", Sums(2, HALF_LIFE_MS)) for i in range(2)]
    examples = [example(T0 + i * HALF_LIFE_MS, [1, rng.normal()], float(rng.random()), f"p{i % 3}") for i in range(60)]
    for i, item in enumerate(examples):
        shards[i % 2].learn([item])
        if i % 7 == 0:
            merger.absorb(shards[i % 2].drain_update(), T0)
            merger = restored_merger(merger)
            shards[i % 2] = LearnerShard.decode(shards[i % 2].encode())
    for shard in shards:
        merger.absorb(shard.drain_update(), T0)
    now_ms = examples[-1].exposed_at_ms
    predictor = Predictor(merger.snapshot(now_ms))
    weights = np.array([2.0 ** ((e.exposed_at_ms - now_ms) / HALF_LIFE_MS) for e in examples])
    x = np.array([e.features() for e in examples])
    r = np.array([e.reward for e in examples])
    theta = np.linalg.solve(np.eye(2) + (x.T * weights) @ x, (x.T * weights) @ r)
    np.testing.assert_allclose(predictor.theta, theta, rtol=1e-9)
    residual = weights * (r - x @ theta)
    for product, row in zip(predictor.product_ids, predictor.statistics, strict=True):
        mine = [i for i, e in enumerate(examples) if e.product_id == product]
        np.testing.assert_allclose(
            row, [weights[mine].sum(), (weights * r)[mine].sum(), residual[mine].sum(), 0], rtol=1e-5
        )
    noise = ((weights * (r - x @ theta) ** 2).sum() + 0.4) / (weights.sum() + 10)
    assert abs(predictor.posterior.noise / noise - 1) < 1e-9
    np.testing.assert_allclose(
        predictor.posterior.whitener @ predictor.posterior.whitener.T, np.linalg.inv(np.eye(2) + (x.T * weights) @ x)
    )
