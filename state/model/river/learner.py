"""A river model that learns from exposures, and what it says of candidates.

River's models learn one example after another, so their order matters: they run in one shard and make no claim of exactness, of
merging or of forgetting by event time. What arrives as a difference is learned as far as river can: an exposure as it enters,
with the reward that it has then; a reward that rises later as one more example; one that falls or is taken back not at all.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.codec import damaged, reading
from state.feature_set import NAMES
from state.model.river.codec import decode, encode, first_of
from state.model.sums import Example

Values = NDArray[np.float64]
Scalar = str | float | int | bool | None


class RiverError(ValueError):
    """`bandit.river` names no river policy or model. Give the dotted name of a class that river documents."""


def create(dotted: str, parameters: Mapping[str, Scalar]) -> "RiverLearner":
    """Return the model of a dotted name such as `river.linear_model.LinearRegression`, with parameters for its constructor.

    A parameter that is a dotted name of river itself, such as `river.optim.Adam`, is created without parameters.

    Raises:
        RiverError: there is no such class in river, it takes other parameters, or it is no policy, regressor or classifier.
    """
    return RiverLearner(made_from(dotted, parameters), _instance(dotted, parameters))


def made_from(dotted: str, parameters: Mapping[str, Scalar]) -> str:
    """Return what tells one configured model from another."""
    return msgspec.json.encode([dotted, sorted(parameters.items())]).decode()


class RiverLearner:
    """A river bandit policy (`is_policy`, arms are product ids) or a regressor or classifier over the features of a candidate."""

    def __init__(self, made_from: str, model: Any) -> None:
        from river import bandit, utils  # takes over a second, and only where it is used

        self.made_from = made_from
        self.model = model
        self.is_policy = isinstance(model, bandit.base.Policy)
        self.takes_context = isinstance(model, bandit.base.ContextualPolicy)
        self._classifies = not self.is_policy and utils.inspect.isclassifier(model)
        if not self.is_policy and not self._classifies and not utils.inspect.isregressor(model):
            raise RiverError(f"{type(model).__name__} is no river bandit policy, regressor or classifier")

    def learn(self, example: Example) -> None:
        """Learn an exposure with its reward, or a reward that came later."""
        if example.count < 0 or (not example.count and example.reward <= 0):
            return
        context = context_of(example.features())
        if self.is_policy:
            self._update_arm(example.product_id, context, example.reward)
        elif self._classifies:
            self.model.learn_one(context, example.reward > 0)
        else:
            self.model.learn_one(context, example.reward)

    def predict(self, x: Values) -> Values:
        """Return expected rewards (n,) for features (n, d); of a classifier the probability of any reward."""
        contexts = map(context_of, x)
        if self._classifies:
            predicted = [self.model.predict_proba_one(context).get(True, 0.0) for context in contexts]
        else:
            predicted = [self.model.predict_one(context) for context in contexts]
        return np.nan_to_num(np.array(predicted, dtype=np.float64), nan=0.0, posinf=1.0, neginf=0.0)

    def pulls(self, arms: Sequence[str], context: Values, count: int, seed: int) -> list[str]:
        """Return the arms that the policy takes when asked `count` times; a function of what it learned, and of the seed."""
        arms = list(arms)
        self._seed(arms, seed)
        kept = [held for held in vars(self.model).values() if isinstance(held, defaultdict)]
        sizes = [len(held) for held in kept]
        named = {"context": context_of(context)} if self.takes_context else {}
        pulled = [self.model.pull(arms, **named) for _ in range(count)]
        for held, size in zip(kept, sizes, strict=True):  # asking for an arm is not knowing it
            while len(held) > size:
                held.popitem()
        return pulled

    def estimates(self, arms: Sequence[str]) -> Values:
        """Return (n,) mean reward of each arm as the policy keeps it, 0 for one that it does not know."""
        rewards = self.model._rewards
        return np.array([_mean(rewards[arm]) if arm in rewards else 0.0 for arm in arms], dtype=np.float64)

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return encode((self.made_from, self.model))

    @classmethod
    def decode(cls, data: bytes, expected: str | None = None) -> "RiverLearner":
        """Invert `encode`. Where `expected` says what the model was made from, nothing else is constructed.

        Raises:
            UnreadableError: as `state.model.river.codec.decode` does, or it is another model than expected.
        """
        if expected is not None and first_of(data) != expected:
            raise damaged("the river model", "it was made from another class or parameters than the configured one")
        with reading("the river model"):
            made_from, model = decode(data)
            if expected is not None and type(model) is not type(_instance(*_configured(expected))):
                raise damaged("the river model", f"it holds a {type(model).__name__}")
            return cls(made_from, model)

    def _update_arm(self, arm: str, context: dict[str, float], reward: float) -> None:
        probabilities = getattr(self.model, "_probabilities", None)
        if probabilities is not None:  # Exp3 divides by the probability of its last pull; here others have pulled since
            probabilities.setdefault(arm, 1 / max(1, len(self.model._weights)))
        if self.takes_context:
            self.model.update(arm, context, reward)
        else:
            self.model.update(arm, reward)

    def _seed(self, arms: Sequence[str], seed: int) -> None:
        generators = [self.model, *(self.model._rewards.get(arm) for arm in arms)]
        for number, owner in enumerate(generators):
            rng = getattr(owner, "_rng", None)
            if rng is not None:
                rng.seed(seed + number)


def context_of(x: Values) -> dict[str, float]:
    """Return features (d,) by name, as river takes them."""
    names = NAMES if len(x) == len(NAMES) else [f"x{i}" for i in range(len(x))]
    return dict(zip(names, x.tolist(), strict=True))


def _configured(made_from: str) -> tuple[str, dict[str, Scalar]]:
    dotted, parameters = msgspec.json.decode(made_from)
    return dotted, dict(parameters)


def _mean(reward: Any) -> float:
    if hasattr(reward, "get"):
        return float(reward.get())
    if hasattr(reward, "alpha"):
        return float(reward.alpha / (reward.alpha + reward.beta))
    return float(getattr(reward, "mu", 0.0))


def _instance(dotted: str, parameters: Mapping[str, Scalar]) -> Any:
    package, _, name = dotted.rpartition(".")
    if package != "river" and not package.startswith("river."):
        raise RiverError(f"{dotted!r} does not begin with river.")
    try:
        made = getattr(import_module(package), name)
        values = {
            key: _instance(value, {}) if isinstance(value, str) and value.startswith("river.") else value
            for key, value in parameters.items()
        }
        return made(**values)
    except (ImportError, AttributeError):
        raise RiverError(f"there is no {dotted}") from None
    except (TypeError, ValueError) as error:
        raise RiverError(f"{dotted}: {error}") from None
