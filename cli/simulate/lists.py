"""Lists that a shop shows without Heliotrope, for shoppers to compare with: random ones, and what is popular."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from cli.simulate.shop import Shop

HELIOTROPE = "heliotrope"
UNIFORM = "uniform"
POPULARITY = "popularity"
VIEWED = ("product_view", "add_to_cart")


class Lists(Protocol):
    """An arm that needs no profile; one for all of its sessions."""

    name: str

    def page(self, items: int, rng: np.random.Generator) -> list[str]:
        """Return the products of one page, at most `items`, in the order shown."""

    def learn(self, event: Mapping[str, Any]) -> None:
        """Take an event of one of the arm's own sessions."""


class UniformLists:
    """Any products, equally likely; learns nothing."""

    name = UNIFORM

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def page(self, items: int, rng: np.random.Generator) -> list[str]:
        """See `Lists.page`."""
        rows = rng.choice(len(self._shop), size=min(items, len(self._shop)), replace=False)
        return [self._shop.product_ids[row] for row in rows.tolist()]

    def learn(self, event: Mapping[str, Any]) -> None:
        """See `Lists.learn`."""


class PopularLists:
    """The products with the most views, carts and checkouts in the arm's sessions so far, for everybody; ties by the seed."""

    name = POPULARITY

    def __init__(self, shop: Shop, seed: int) -> None:
        below_one = np.random.default_rng([seed, 0]).random(len(shop))
        self._counts = dict(zip(shop.product_ids, below_one.tolist(), strict=True))

    def page(self, items: int, rng: np.random.Generator) -> list[str]:
        """See `Lists.page`."""
        return sorted(self._counts, key=self._counts.__getitem__, reverse=True)[:items]

    def learn(self, event: Mapping[str, Any]) -> None:
        """See `Lists.learn`."""
        if event["event_type"] in VIEWED:
            self._counts[event["product_id"]] += 1
        elif event["event_type"] == "checkout":
            for item in event["items"]:
                self._counts[item["product_id"]] += 1
