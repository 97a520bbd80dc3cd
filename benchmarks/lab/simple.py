"""Methods that learn little or nothing: chance, popularity, and the optimum that knows the truth."""

import numpy as np

from benchmarks.lab.method import Method, Page
from benchmarks.lab.world import World
from state.catalogue.product import Product
from state.events.event import Event


class Uniform(Method):
    """Any products, equally likely."""

    def __init__(self, seed: int) -> None:
        self.product_ids: list[str] = []
        self._rng = np.random.default_rng([seed, 10])

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        self.product_ids.append(product.product_id)

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        chosen = self._rng.choice(len(self.product_ids), size=min(items, len(self.product_ids)), replace=False)
        return Page("", [self.product_ids[index] for index in chosen.tolist()])


class Popularity(Uniform):
    """The products with the most views, carts and checkouts so far, for everybody; ties at random."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._counts: dict[str, float] = {}

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""
        super().product(product, now_ms)
        self._counts[product.product_id] = float(self._rng.random())

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""
        if event.event_type in ("product_view", "add_to_cart", "checkout"):
            for product in event.products():
                self._counts[product] += 1

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        return Page("", sorted(self._counts, key=self._counts.__getitem__, reverse=True)[:items])


class Optimum(Method):
    """The best slate, read off the truth."""

    def __init__(self, world: World) -> None:
        self._world = world

    def product(self, product: Product, now_ms: int) -> None:
        """See `Method.product`."""

    def event(self, event: Event, now_ms: int) -> None:
        """See `Method.event`."""

    def page(self, session_id: str, items: int, now_ms: int) -> Page:
        """See `Method.page`."""
        truth = self._world.truth
        return Page("", [truth.product_ids[row] for row in truth.best_slate(self._world.chances(session_id))])
