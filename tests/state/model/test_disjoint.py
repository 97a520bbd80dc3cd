"""A linear model per product: exact sums, beliefs, the bound, and all policies with it."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jobs.errors import ConfigurationError
from jobs.settings import settings_from
from state.candidates.candidates import find_candidates
from state.choosing.choice import Chooser
from state.choosing.features import Context, described
from state.feature_set import DIMENSION
from state.model.disjoint import Arms, arm_width, most_arms
from state.model.learner import LearnerShard
from state.model.merger import IncompatibleModelError, Merger, conditions_of
from state.model.predictor import Predictor
from state.model.snapshot import Snapshot
from state.model.snapshot_rows import PRODUCTS_LIMIT_BYTES
from state.model.sums import Example
from state.policy.lin_ucb import LinUCB
from state.policy.rules import NO_RULES
from state.session.interest import Interest
from tests.state.model.test_learning import HOUR, made_examples
from tests.state.policy.lab import Experiment, World, best_reward, uniform_reward
from tests.state.shop import T0, make_merger, restored_merger

POLICIES = ["epsilon_greedy", "epsilon_decreasing", "epsilon_first", "lin_ucb", "thompson_linear", "softmax", "uniform"]


def opened(half_life: str | None = None, shards: int = 1, **bandit: Any) -> tuple[Merger, list[LearnerShard]]:
    settings = settings_from({"bandit": {"form": "disjoint", "half_life": half_life, **bandit}})
    shard = [LearnerShard.open(f"d/{i}", None, {}, DIMENSION, settings.bandit, T0) for i in range(shards)]
    return Merger(conditions_of(settings), "here", T0), shard


def reference(
    examples: list[Example], half_life_ms: int | None, now_ms: int
) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """θ and (I + A)⁻¹ of each product's own weighted ridge, one example at a time."""
    found = {}
    for product in {example.product_id for example in examples}:
        a, b = np.eye(DIMENSION), np.zeros(DIMENSION)
        for example in examples:
            if example.product_id == product:
                x = np.frombuffer(example.x, np.float16).astype(float)
                weight = 1.0 if half_life_ms is None else 2.0 ** ((example.exposed_at_ms - now_ms) / half_life_ms)
                a += weight * example.count * np.outer(x, x)
                b += weight * example.reward * x
        found[product] = (np.linalg.solve(a, b), np.linalg.inv(a))
    return found


def expect(arms: Arms | None, examples: list[Example], half_life_ms: int | None, now_ms: int) -> None:
    assert arms is not None
    slow = reference(examples, half_life_ms, now_ms)
    assert set(arms.row_of) == set(slow)
    for product, (theta, covariance) in slow.items():
        row = arms.row_of[product]
        np.testing.assert_allclose(arms.theta[row], theta, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(arms.covariance[row], covariance, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("half_life", "half_life_ms"), [(None, None), ("7 h", 7 * HOUR)])
@pytest.mark.parametrize("shards", [1, 3])
def test_each_product_has_the_weighted_ridge_of_its_own_examples(
    half_life: str | None, half_life_ms: int | None, shards: int
) -> None:
    """Through restarts of shards and of the merged model, in whichever shard an example was learned."""
    examples = made_examples(1, 200, span_ms=60 * HOUR)
    merger, parts = opened(half_life, shards)
    for index, example in enumerate(examples):
        at = index % shards
        parts[at].learn([example])
        if index % 11 == 0:
            parts[at] = LearnerShard.decode(parts[at].encode())
            merger.absorb(parts[at].drain_update(), T0)
            merger = restored_merger(merger)
    for part in parts:
        merger.absorb(part.drain_update(), T0)
    now_ms = T0 + 60 * HOUR
    snapshot = Snapshot.decode(merger.snapshot(now_ms).encode())
    predictor = Predictor(snapshot)
    expect(predictor.arms, examples, half_life_ms, now_ms)
    assert predictor.arms is not None
    weights = [1.0 if half_life_ms is None else 2.0 ** ((e.exposed_at_ms - now_ms) / half_life_ms) for e in examples]
    slow = reference(examples, half_life_ms, now_ms)
    squares = sum(
        weight * (e.reward - slow[e.product_id][0] @ e.features()) ** 2
        for weight, e in zip(weights, examples, strict=True)
    )
    assert predictor.arms.noise == pytest.approx((squares + 0.4) / (sum(weights) + 10), rel=1e-9)


def test_taking_examples_back_leaves_the_prior() -> None:
    examples = made_examples(2, 20)
    merger, [shard] = opened()
    shard.learn(examples)
    shard.learn([Example(e.exposed_at_ms, e.product_id, e.x, -1, -e.reward, -e.reward_squared) for e in examples])
    merger.absorb(shard.drain_update(), T0)
    arms = Predictor(merger.snapshot(T0)).arms
    assert arms is not None
    np.testing.assert_allclose(arms.theta, 0, atol=1e-9)
    np.testing.assert_allclose(arms.covariance, np.broadcast_to(np.eye(DIMENSION), arms.covariance.shape), atol=1e-9)


def test_a_job_goes_on_from_the_snapshot_of_an_earlier_one() -> None:
    def with_bias(examples: list[Example]) -> list[Example]:
        x = [e.features() for e in examples]
        for row in x:
            row[0] = 1
        return [
            Example(e.exposed_at_ms, e.product_id, row.astype(np.float16).tobytes(), 1, e.reward, e.reward_squared)
            for e, row in zip(examples, x, strict=True)
        ]

    before, after = with_bias(made_examples(3, 60)), with_bias(made_examples(4, 60))
    earlier, [shard] = opened("7 h")
    shard.learn(before)
    earlier.absorb(shard.drain_update(), T0)
    merger, [shard] = opened("7 h")
    merger.adopt(earlier.snapshot(T0), T0)
    shard.learn(after)
    merger.absorb(shard.drain_update(), T0)
    now_ms = T0 + 20 * HOUR
    expect(Predictor(restored_merger(merger).snapshot(now_ms)).arms, before + after, 7 * HOUR, now_ms)


def test_statistics_of_the_other_form_are_refused() -> None:
    disjoint, _ = opened()
    with pytest.raises(IncompatibleModelError, match=r"bandit\.form"):
        disjoint.adopt(make_merger(learned_from=disjoint.conditions.learned_from).snapshot(T0), T0)
    shared = conditions_of(settings_from({}))
    assert disjoint.conditions.key != shared.key


def test_products_beyond_the_bound_keep_the_prior_and_are_counted() -> None:
    x = np.ones(DIMENSION, dtype=np.float16).tobytes()
    merger, [shard] = opened(disjoint_products=3)
    for product in range(5):
        shard.learn([Example(T0, f"p{product}", x, 1, 1.0, 1.0)])
        merger.absorb(shard.drain_update(), T0)
    shard.learn([Example(T0, "p0", x, 1, 1.0, 1.0)])
    merger.absorb(shard.drain_update(), T0)
    predictor = Predictor(merger.snapshot(T0))
    assert merger.beyond == 2
    assert predictor.arms is not None
    assert set(predictor.arms.row_of) == {"p0", "p1", "p2"}
    ones = np.ones((3, DIMENSION))
    mean, variance = predictor.arms.believe(["p0", "p4", "never"], ones)
    noise = predictor.arms.noise
    assert mean[0] > 0.8
    np.testing.assert_allclose(mean[1:], 0)
    np.testing.assert_allclose(variance[1:], noise * DIMENSION)
    assert variance[0] < variance[1]


def test_as_many_products_as_are_accepted_fit_into_a_snapshot() -> None:
    most = most_arms(DIMENSION, PRODUCTS_LIMIT_BYTES)
    merger, [shard] = opened(disjoint_products=most)
    x = np.random.default_rng(1).normal(size=DIMENSION).astype(np.float16).tobytes()
    shard.learn([Example(T0, f"{i:0128}", x, 1, 1.0, 1.0) for i in range(most)])
    merger.absorb(shard.drain_update(), T0)
    snapshot = merger.snapshot(T0)
    assert len(snapshot.product_ids) == most
    assert len(snapshot.encode()) <= 512 * 1024
    with pytest.raises(ConfigurationError, match=rf"bandit\.disjoint_products: must be at most {most}"):
        opened(disjoint_products=most + 1)


def taught_chooser(policy: str) -> tuple[Chooser, Context]:
    experiment = Experiment(World(products=12, categories=3), 1, policy=policy, form="disjoint", explore_first=1.0)
    experiment.list_products(range(12))
    experiment.rounds(3)
    context = Context(Interest({}, {"category-1": 1.0}, 1.0), "category-1", {}, experiment.now_ms)
    return experiment.chooser, context


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_chooses_with_models_per_product(policy: str) -> None:
    chooser, context = taught_chooser(policy)
    slate = chooser.choose(context, profile_version=1, cause=b"")
    assert len(set(slate.product_ids)) == 12
    assert all(0 < p <= 1 for p in slate.propensity)
    predictor = chooser.predictor
    assert predictor is not None
    assert predictor.arms is not None
    theta = chooser.coefficients(slate)
    assert theta is not None
    np.testing.assert_allclose(chooser.predict(slate), (slate.matrix().astype(np.float64) * theta).sum(axis=1))


def test_lin_ucb_is_the_papers() -> None:
    """Li et al. 2010, eq. 5, of each product's own A and b, the width in units of the noise."""
    chooser, context = taught_chooser("lin_ucb")
    candidates = find_candidates(context.asked, chooser.shelf, 100, np.random.default_rng(1))
    found = described(candidates, context, chooser.catalogue, chooser.rates, np.zeros(DIMENSION))
    belief, x = chooser.belief(candidates, found), found.x
    assert chooser.arms is not None
    decision = LinUCB(1.5, 0.0).decide(belief, np.random.default_rng(1), NO_RULES)
    for i, product in enumerate(candidates.product_ids):
        row, features_of = chooser.arms.row_of[product], x[i].astype(np.float64)
        width = np.sqrt(chooser.arms.noise * features_of @ chooser.arms.covariance[row] @ features_of)
        assert decision.index[i] == pytest.approx(features_of @ chooser.arms.theta[row] + 1.5 * width, rel=1e-9)
    draws = belief.draws(4_000, np.random.default_rng(2))
    np.testing.assert_allclose(draws.mean(axis=0), belief.mean, atol=6 * belief.deviation().max() / np.sqrt(4_000))
    np.testing.assert_allclose(draws.std(axis=0), belief.deviation(), rtol=0.08)


@pytest.mark.parametrize("policy", ["lin_ucb", "thompson_linear", "epsilon_greedy"])
def test_it_learns_what_differs_from_product_to_product(policy: str) -> None:
    world = World(products=20, categories=2, spread=1.2)
    experiment = Experiment(world, 3, policy=policy, form="disjoint", epsilon=0.1)
    experiment.list_products(range(20))
    earned = float(np.mean(experiment.rounds(60, sessions=20)[40:]))
    uniform, best = uniform_reward(world), best_reward(world)
    assert (earned - uniform) / (best - uniform) > 0.4


def test_a_models_size() -> None:
    assert arm_width(26) == 1 + 26 + 351
    assert arm_width(DIMENSION) == 1 + 30 + 465
