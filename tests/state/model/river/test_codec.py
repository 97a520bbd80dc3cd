"""River objects survive as bytes, and bytes from outside run nothing."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest
from river import bandit, drift, forest, linear_model, naive_bayes, neighbors, optim, preprocessing, proba, rules, tree

from state.codec import UnreadableError
from state.model.river.codec import UnsupportedError, decode, encode

POLICIES = [
    bandit.UCB(delta=1.0, seed=1),
    bandit.BayesUCB(seed=1),
    bandit.EpsilonGreedy(epsilon=0.1, seed=1),
    bandit.ThompsonSampling(reward_obj=proba.Beta(seed=1), seed=1),
    bandit.Exp3(gamma=0.1, seed=1),
    bandit.RandomPolicy(seed=1),
]
REGRESSORS = [
    linear_model.LinearRegression(),
    linear_model.BayesianLinearRegression(),
    preprocessing.StandardScaler() | linear_model.LinearRegression(optim.Adam()),
    tree.HoeffdingTreeRegressor(grace_period=30),
    tree.HoeffdingAdaptiveTreeRegressor(grace_period=30, seed=1),
    forest.ARFRegressor(n_models=2, seed=1),
    neighbors.KNNRegressor(n_neighbors=3),
    rules.AMRules(n_min=30),
]
CLASSIFIERS = [
    linear_model.LogisticRegression(),
    naive_bayes.GaussianNB(),
    tree.HoeffdingTreeClassifier(grace_period=30),
    forest.ARFClassifier(n_models=2, seed=1),
]


def named(obj: Any) -> str:
    return type(obj).__name__


def points(seed: int, count: int) -> list[tuple[dict[str, float], float]]:
    rng = random.Random(seed)
    found = [{"a": rng.random(), "b": rng.gauss(0, 1)} for _ in range(count)]
    return [(x, 0.7 * x["a"] + 0.1 * rng.random()) for x in found]


@pytest.mark.parametrize("policy", POLICIES, ids=named)
def test_a_policy_goes_on_as_it_would_have(policy: Any) -> None:
    rng = random.Random(2)

    def pull(one: Any) -> str:
        arm = one.pull(["x", "y", "z"])
        return str(arm)

    for _ in range(60):
        policy.update(pull(policy), float(rng.random() < 0.3))
    copied = decode(encode(policy))
    rewards = [float(rng.random() < 0.3) for _ in range(60)]
    for reward in rewards:
        arm = pull(policy)
        assert pull(copied) == arm
        policy.update(arm, reward)
        copied.update(arm, reward)


@pytest.mark.parametrize("model", [*REGRESSORS, *CLASSIFIERS], ids=named)
def test_a_model_goes_on_as_it_would_have(model: Any) -> None:
    classifies = any(model is one for one in CLASSIFIERS)
    for x, y in points(3, 200):
        model.learn_one(x, y > 0.4 if classifies else y)
    data = encode(model)
    copied = decode(data)
    assert encode(copied) == data
    for x, y in points(4, 50):
        copied.learn_one(x, y > 0.4 if classifies else y)
        model.learn_one(x, y > 0.4 if classifies else y)
    for x, _ in points(5, 20):
        if classifies:
            assert copied.predict_proba_one(x) == model.predict_proba_one(x)
        else:
            assert copied.predict_one(x) == model.predict_one(x)


def test_compiled_classes_and_shared_references_survive() -> None:
    adwin = drift.ADWIN()
    for i in range(500):
        adwin.update(float(i % 2))
    shared: list[Any] = [adwin, [1, 2]]
    shared += [shared[1], adwin, 1 << 200, (1, frozenset({2}), {3}), np.arange(6.0).reshape(2, 3), np.float32(0.5)]
    shared.append(shared)
    copied = decode(encode(shared))
    assert copied[1] is copied[2]
    assert copied[0] is copied[3]
    assert copied[-1] is copied
    assert copied[0].estimation == adwin.estimation
    assert copied[4:6] == shared[4:6]
    np.testing.assert_array_equal(copied[6], shared[6])
    assert copied[7] == np.float32(0.5)


@pytest.mark.parametrize(
    ("names", "tree"),
    [
        (["os:system"], ["object", 0, ["true"], None, [], []]),
        (["builtins:eval"], ["object", 0, ["1"], None, [], []]),
        (["builtins:eval"], ["name", 0]),
        (["posix:system"], ["name", 0]),
        (["river.bandit.ucb:random"], ["name", 0]),
        (["river.base.base:sys.modules"], ["name", 0]),
        (["river.bandit.ucb:UCB.__init__.__globals__"], ["name", 0]),
        (["river.bandit.ucb:UCB"], ["object", 0, [1.0], None, [], []]),
        (["river.datasets.phishing:Phishing"], ["name", 0]),
        (["river.datasets.base:RemoteDataset.download"], ["name", 0]),
        (["river.utils.math:minkowski_distance"], ["object", 0, [], None, [], []]),
        (["copyreg:__newobj__", "builtins:object"], ["object", 0, [], None, [], []]),
        (["copyreg:__newobj__", "subprocess:Popen"], ["object", 0, [["name", 1]], None, [], []]),
        (
            ["river.bandit.ucb:UCB", "copyreg:__newobj__"],
            ["method", ["object", 1, [["name", 0]], None, [], []], "__init__"],
        ),
        ([], ["ref", 5]),
        ([], ["what", 5]),
        ([], ["dict", 1]),
    ],
)
def test_bytes_from_outside_may_name_nothing_else(names: list[str], tree: Any) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        decode(b"\x01" + msgspec.msgpack.encode([names, tree]))


def test_other_versions_and_foreign_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        decode(b"\x80" + encode(1)[1:])
    with pytest.raises(UnreadableError, match="damaged"):
        decode(encode([1, 2, 3])[:-1])
    for foreign in (open, lambda: 1, msgspec.Raw(b""), np.array([object()])):
        with pytest.raises(UnsupportedError):
            encode([foreign])
