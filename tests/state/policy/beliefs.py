"""Beliefs, rules and every configured policy, for the suites that all policies must pass."""

import typing
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.settings import settings_from
from state.candidates.candidates import Candidates
from state.catalogue.catalogue import Catalogue
from state.catalogue.product import Product
from state.choosing.merchandise import Merchandise
from state.configuration import Bandit, PolicyName
from state.kernels import Balance
from state.policy import Belief, Policy, Rules, combine, policy_from
from state.policy.balance import Balanced, Boosted
from state.policy.rules import Mask

POLICIES = tuple(name for name in typing.get_args(PolicyName) if name != "river")
"""River's have tests of their own: they are others' code, and slow."""


def policy(name: str, **overrides: Any) -> Policy:
    """A policy as the configuration makes it, with a floor that lets every prefix occur."""
    return policy_from(Bandit(policy=typing.cast(PolicyName, name), **({"floor": 0.3, "draws": 16} | overrides)))


def belief_of(n: int, seed: int = 3, dimension: int = 4) -> Belief:
    """A belief after some 400 exposures; one product was never seen."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, dimension))
    precision = np.eye(dimension) + 20 * np.diag(rng.random(dimension))
    exposures = rng.exponential(60.0, n)
    exposures[-1:] = 0.0
    rate = rng.beta(2, 10, n)
    belief = Belief(
        mean=rate,
        x=x,
        whitener=np.linalg.inv(np.linalg.cholesky(precision)).T,
        noise=0.01,
        own_variance=0.01 / (exposures + 10),
        exposures=exposures,
        rewards=exposures * rate,
        prior=np.full(n, 0.15),
        total=400.0,
    )
    for values in (
        belief.mean,
        belief.x,
        belief.whitener,
        belief.own_variance,
        exposures,
        belief.rewards,
        belief.prior,
    ):
        values.setflags(write=False)
    return belief


def shop_rules(n: int, **rules: Any) -> Rules:
    """Rules as the configuration makes them, over product-0 … of which three and three share a category."""
    catalogue = Catalogue(n, n)
    for i in range(n):
        catalogue.put(Product(f"product-{i}", f"category-{i // 3}"))
    rows = np.array([catalogue.row_of[f"product-{i}"] for i in range(n)])
    candidates = Candidates(rows, catalogue.category[rows], [f"product-{i}" for i in range(n)])
    return Merchandise(settings_from({"rules": rules}).rules, catalogue).rules(candidates, "category-0")


BURIED_AND_BLOCKED: dict[str, Any] = {
    "bury": [{"category": "category-0", "factor": 0.6}, {"product": "product-2", "offset": -0.02}],
    "block": {"products": ["product-4"]},
}
WITH_A_PIN = BURIED_AND_BLOCKED | {"pin": [{"product": "product-3", "position": 1, "category": "category-0"}]}


def balanced(base: Rules, n: int, caps: tuple[int, int] = (1, 1), weight: float = 0.04) -> Rules:
    """Caps and diversity over categories of three, of which every other product is personal, and a boost for the first."""
    price, rating = np.random.default_rng(11).random((2, n), dtype=np.float32) / 8
    boost = np.zeros(n, dtype=np.float32)
    boost[0] = 0.02
    personal = np.arange(n) % 2 == 0
    codes = 1 + np.arange(n) // 3
    return Balanced(combine(Boosted(boost), base), Balance(codes, personal, np.array(caps), weight, price, rating))


class Excluding(Rules):
    """Fixed rules: some candidates may never be shown, one is boosted."""

    def __init__(self, excluded: Sequence[int], boosted: int) -> None:
        self.excluded = list(excluded)
        self.boosted = boosted

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask:
        """All but the excluded."""
        mask = np.ones(n, dtype=np.bool_)
        mask[self.excluded] = False
        return mask

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """Adds a tenth to one."""
        rescored = scores.copy()
        rescored[..., self.boosted] += 0.1
        return rescored


class Merchandising(Rules):
    """Rules that look at the items above: a pin in the second slot, a cap of two per group of three, and a wish for variety."""

    fixed = False

    def __init__(self, pin: int) -> None:
        self.pin = pin

    def allowed(self, n: int, prefix: Sequence[int]) -> Mask:
        """At most two of a group."""
        groups = np.arange(n) // 3
        return np.array([sum(groups[i] == group for i in prefix) < 2 for group in groups])

    def rescore(self, scores: NDArray[Any], prefix: Sequence[int]) -> NDArray[Any]:
        """Less for the group of the item above."""
        above = prefix[-1] // 3 if prefix else -1
        rescored = scores.copy()
        rescored[..., np.arange(scores.shape[-1]) // 3 == above] -= 0.05
        return rescored

    def pinned(self, prefix: Sequence[int]) -> int | None:
        """One item in the second slot."""
        return self.pin if len(prefix) == 1 and self.pin not in prefix else None
