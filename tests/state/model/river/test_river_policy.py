"""River behind our interface: any policy, any reward model, true propensities, and through learner and snapshot."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from jobs.errors import ConfigurationError
from jobs.settings import settings_from
from state.configuration import Bandit
from state.feature_set import DIMENSION
from state.model.learner import LearnerShard
from state.model.merger import conditions_of
from state.model.river.learner import RiverError, RiverLearner, create
from state.model.sums import Example
from state.policy import policy_from
from state.policy.river import RiverPolicy
from tests.state.policy.beliefs import Excluding, belief_of
from tests.state.policy.lab import Experiment, World, uniform_reward
from tests.state.policy.test_propensity import p_value

POLICIES: dict[str, dict[str, Any]] = {
    "river.bandit.UCB": {"delta": 0.1},
    "river.bandit.BayesUCB": {},
    "river.bandit.EpsilonGreedy": {"epsilon": 0.2},
    "river.bandit.ThompsonSampling": {"reward_obj": "river.proba.Beta"},
    "river.bandit.Exp3": {"gamma": 0.2},
    "river.bandit.RandomPolicy": {},
    "river.bandit.LinUCBDisjoint": {},
}
MODELS = ["river.linear_model.LinearRegression", "river.tree.HoeffdingTreeRegressor", "river.naive_bayes.GaussianNB"]
IDS = [f"p{i}" for i in range(6)]


def learned(dotted: str, parameters: dict[str, Any]) -> RiverLearner:
    rng = np.random.default_rng(1)
    learner = create(dotted, parameters)
    for i in range(200):
        x = rng.standard_normal(4).astype(np.float16)
        reward = float(rng.random() < 0.1 * (i % 5 + 1))
        learner.learn(Example(i, IDS[i % 5], x.tobytes(), 1, reward, reward))
    return learner


@pytest.mark.parametrize(("dotted", "parameters"), [*POLICIES.items(), *((name, {}) for name in MODELS)])
def test_it_draws_from_what_it_says(dotted: str, parameters: dict[str, Any]) -> None:
    """20,000 draws of a decision of which the pulls are fixed; the learner says the same before and after, and once restored."""
    learner = learned(dotted, parameters)
    belief = belief_of(6)
    belief = type(belief)(**{**{key: getattr(belief, key) for key in belief.__slots__}, "product_ids": IDS})
    rules = Excluding([3], 0)
    decisions = [
        RiverPolicy(one, 0.2, 16, 0.1).decide(belief, np.random.default_rng(5), rules)
        for one in (learner, RiverLearner.decode(learner.encode()))
    ]
    for prefix in ((), (0,), (4, 1)):
        np.testing.assert_array_equal(decisions[0].distribution(prefix), decisions[1].distribution(prefix))
        assert decisions[0].distribution(prefix).sum() == pytest.approx(1)
    rng = np.random.default_rng(6)
    draws = Counter(decisions[0].choose(1, rng).order[0] for _ in range(20_000))
    expected = 20_000 * decisions[0].distribution(())
    assert p_value(np.array([draws[i] for i in range(6)], dtype=np.float64), expected) > 1e-5
    choice = decisions[0].choose(4, rng)
    for slot, item in enumerate(choice.order):
        assert choice.propensity[slot] == pytest.approx(decisions[0].distribution(choice.order[:slot])[item])


def test_what_is_taken_back_teaches_nothing_and_what_rises_is_one_more_example() -> None:
    x = np.ones(4, dtype=np.float16).tobytes()
    learner = create("river.bandit.EpsilonGreedy", {"epsilon": 0.1})
    for count, reward in ((1, 0.0), (0, 0.6), (0, -0.6), (-1, -0.6)):
        learner.learn(Example(0, "p", x, count, reward, 0.0))
    assert learner.model._counts == {"p": 2}


@pytest.mark.parametrize(
    ("dotted", "parameters"),
    [("river.bandit.EpsilonGreedy", {"epsilon": 0.1}), ("river.linear_model.LinearRegression", {})],
)
def test_it_learns_through_shards_and_snapshots(dotted: str, parameters: dict[str, Any]) -> None:
    world = World(products=12, categories=3, spread=1.0)
    experiment = Experiment(world, 11, policy="river", river=dotted, river_parameters=parameters, shards=1, epsilon=0.1)
    experiment.list_products(range(12))
    rewards = experiment.rounds(25, sessions=10)
    assert np.mean(rewards[8:]) > 1.1 * uniform_reward(world)


def test_a_shard_keeps_its_model_and_begins_anew_with_another() -> None:
    bandit = Bandit(policy="river", river="river.linear_model.LinearRegression")
    shard = LearnerShard.open("default/0", None, {}, DIMENSION, bandit, 0)
    x = np.ones(DIMENSION, dtype=np.float16).tobytes()
    shard.learn([Example(0, "p", x, 1, 0.5, 0.25)] * 20)
    again = LearnerShard.open("default/0", shard.encode(), {}, DIMENSION, bandit, 0)
    assert again.river is not None
    assert shard.river is not None
    np.testing.assert_array_equal(
        again.river.predict(np.ones((1, DIMENSION))), shard.river.predict(np.ones((1, DIMENSION)))
    )
    ucb = Bandit(policy="river", river="river.bandit.UCB", river_parameters={"delta": 1})
    other = LearnerShard.open("default/0", shard.encode(), {}, DIMENSION, ucb, 0)
    assert other.river is not None
    assert other.river.is_policy
    assert other.sums.weight == 20
    assert LearnerShard.open("default/0", shard.encode(), {}, DIMENSION, Bandit(), 0).river is None


@pytest.mark.parametrize(
    "dotted", ["", "os.system", "river.bandit.Nothing", "river.stats.Mean", "riverside.X", "river.bandit.UCB"]
)
def test_a_name_that_is_none_of_rivers_stops_the_start(dotted: str) -> None:
    with pytest.raises(RiverError):
        policy_from(Bandit(policy="river", river=dotted))
    with pytest.raises(ConfigurationError, match=r"bandit\.river"):
        settings_from({"bandit": {"policy": "river", "river": dotted, "shards": 1}})


def test_river_learns_in_one_shard() -> None:
    settings = settings_from({"bandit": {"policy": "river", "river": "river.bandit.RandomPolicy"}})
    assert (settings.bandit.shards, conditions_of(settings).shards) == (4, 1)
