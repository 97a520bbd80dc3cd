"""river's bandit policies over products as arms, the same for every visitor; LinUCB disjoint with the visitor as context."""

from collections.abc import Callable
from typing import Any

import numpy as np
from river import bandit, proba, stats

from benchmarks.lab.joining import Joiner, Sessions
from benchmarks.lab.method import Method, Page
from state.catalogue.product import Product
from state.events.event import Event

Factory = Callable[[int], Any]


def shrunk_mean() -> Any:
    """A mean that starts at 0.1 with ten pseudo-observations: no click of the first look decides."""
    return stats.BayesianMean(prior=0.1, prior_weight=10)


FACTORIES: dict[str, Factory] = {
    "river_epsilon": lambda seed: bandit.EpsilonGreedy(epsilon=0.1, reward_obj=shrunk_mean(), seed=seed),
    "river_ucb": lambda seed: bandit.UCB(delta=0.05, reward_obj=shrunk_mean(), seed=seed),
    "river_thompson": lambda seed: bandit.ThompsonSampling(reward_obj=proba.Beta(1, 10), seed=seed),
    "river_lin_ucb": lambda seed: bandit.LinUCBDisjoint(alpha=1.0, beta=1.0, seed=seed),
}
CONTEXTUAL_CANDIDATES = 30
"""LinUCB disjoint inverts a matrix per arm in Python, so it chooses from so many products drawn anew for each page."""


class RiverPolicy(Method):
    """One of FACTORIES. A slate is pulled slot by slot from the products not yet in it; a click is a reward of 1."""

    def __init__(self, name: str, seed: int, join_ms: int) -> None:
        self._policy = FACTORIES[name](seed)
        self._contextual = name == "river_lin_ucb"
        self._product_ids: list[str] = []
        self._categories: list[str] = []
        self._sessions = Sessions()
        self._joiner: Joiner[dict[str, float]] = Joiner(join_ms)
        self._rng = np.random.default_rng([seed, 40])
        self._decisions = 0

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        self._product_ids.append(product.product_id)
        self._sessions.list_product(product.product_id, product.category_id)
        if product.category_id not in self._categories:
            self._categories.append(product.category_id)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        if self._contextual:
            self._sessions.apply(event)
        self._joiner.apply(event, now_ms)
        for waiting in self._joiner.due(now_ms):
            for product_id, context in waiting.shown.items():
                self._learn(product_id, context, int(product_id in waiting.clicked))

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        context = self._context(session_id) if self._contextual else {}
        left = list(self._product_ids)
        if self._contextual and len(left) > CONTEXTUAL_CANDIDATES:
            left = [left[i] for i in self._rng.choice(len(left), CONTEXTUAL_CANDIDATES, replace=False).tolist()]
        shown: list[str] = []
        for _ in range(min(items, len(left))):
            product_id = self._policy.pull(left, context) if self._contextual else self._policy.pull(left)
            left.remove(product_id)
            shown.append(product_id)
        self._decisions += 1
        decision_id = f"river-{self._decisions}"
        self._joiner.publish(decision_id, dict.fromkeys(shown, context))
        return Page(decision_id, shown)

    def some_update(self, session_id: str, now_ms: int) -> Callable[[], object]:
        """A call that learns one exposure, for timing."""
        context = self._context(session_id)
        return lambda: self._learn(self._product_ids[0], context, 0)

    def _learn(self, product_id: str, context: dict[str, float], reward: int) -> None:
        if self._contextual:
            self._policy.update(product_id, context, reward)
        else:
            self._policy.update(product_id, reward)

    def _context(self, session_id: str) -> dict[str, float]:
        liked = {name: value for name, value in self._sessions.interest(session_id).categories.items() if value > 0}
        total = sum(liked.values()) or 1.0
        shares = {name: liked.get(name, 0.0) / total for name in self._categories}
        return {"bias": 1.0, **shares}  # a feature that is missing breaks river's posterior, so all are named
