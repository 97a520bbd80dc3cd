"""A shop whose visitors' preferences are known, for seeded experiments with the real chooser, learner and merger."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jobs.settings import settings_from
from state.catalogue.product import Product
from state.choosing.choice import Chooser
from state.choosing.features import Context
from state.feature_set import DIMENSION
from state.model.learner import LearnerShard
from state.model.merger import Merger, conditions_of
from state.model.predictor import Predictor
from state.model.sums import Example
from state.session.interest import Interest
from state.session.slate import Slate

T0 = 1_763_770_000_000
ROUND_MS = 60_000
SEEN = 5
"""Items of a slate that a visitor sees."""


@dataclass
class World:
    """Products with a rate of reward each; a visitor likes one category, whose products reward three times as often."""

    products: int = 50
    categories: int = 5
    spread: float = 0.6
    rates: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        quantiles = (np.arange(self.products) + 0.5) / self.products
        self.rates = 0.08 * np.exp(self.spread * (2 * quantiles - 1))
        self.rates = self.rates[np.argsort(np.random.default_rng(5).random(self.products))]

    def probability(self, product: int, liked: int) -> float:
        """Of a reward of 1 from an exposure."""
        return float(self.rates[product]) * (3.0 if product % self.categories == liked else 1.0)


class Experiment:
    """One shop with one policy: rounds of sessions that choose with one snapshot, and then a new snapshot."""

    def __init__(self, world: World, seed: int, **bandit: object) -> None:
        self.settings = settings_from({"bandit": bandit, "decisions": {"full_share": 0}})
        self.world = world
        self.rng = np.random.default_rng(seed)
        self.chooser = Chooser(self.settings, np.random.default_rng([seed, 1]))
        self.shard = LearnerShard.open("default/0", None, {}, DIMENSION, self.settings.bandit, T0)
        self.merger = Merger(conditions_of(self.settings), "lab", T0)
        self.now_ms = T0
        self.exposures = np.zeros(world.products, dtype=np.int64)

    def list_products(self, products: Iterator[int] | range | list[int]) -> None:
        """Puts products into the catalogue."""
        for i in products:
            product = Product(f"product-{i}", f"category-{i % self.world.categories}", price=20.0, rating=4.0)
            self.chooser.catalogue.put(product)

    def round(self, sessions: int = 20) -> float:
        """Sessions choose, see, reward; then the model is published. Returns the mean reward of an exposure."""
        self.now_ms += ROUND_MS
        self.chooser.refresh(self.now_ms)
        rewards = [reward for _ in range(sessions) for reward in self._session()]
        self.merger.absorb(self.shard.drain_update(), self.now_ms)
        self.chooser.use_model(Predictor(self.merger.snapshot(self.now_ms)))
        return float(np.mean(rewards))

    def rounds(self, count: int, sessions: int = 20) -> list[float]:
        """Mean rewards of so many rounds."""
        return [self.round(sessions) for _ in range(count)]

    def _session(self) -> list[float]:
        liked = int(self.rng.integers(self.world.categories))
        interest = Interest({}, {f"category-{liked}": 1.0}, 1.0, visits={f"category-{liked}": 1})
        context = Context(interest, f"category-{liked}", {}, self.now_ms)
        slate = self.chooser.choose(context, profile_version=1, cause=b"")
        return [self._expose(slate, position, liked) for position in range(min(SEEN, len(slate.product_ids)))]

    def _expose(self, slate: Slate, position: int, liked: int) -> float:
        product = int(slate.product_ids[position].removeprefix("product-"))
        reward = float(self.rng.random() < self.world.probability(product, liked))
        self.exposures[product] += 1
        example = Example(self.now_ms, slate.product_ids[position], slate.feature_bytes(position), 1, reward, reward**2)
        self.shard.learn([example])
        return reward


def uniform_reward(world: World) -> float:
    """What a uniform choice earns per exposure."""
    liked = [[world.probability(p, c) for p in range(world.products)] for c in range(world.categories)]
    return float(np.mean(liked))


def best_reward(world: World) -> float:
    """What the best slate earns per exposure."""
    best = [
        sorted((world.probability(p, c) for p in range(world.products)), reverse=True)[:SEEN]
        for c in range(world.categories)
    ]
    return float(np.mean(best))
