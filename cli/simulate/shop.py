"""The world that shoppers know and Heliotrope must learn: appeal of products, tastes of shoppers, probability of a click."""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.catalogue.product import Product

Vector = NDArray[np.float64]

CLICK_AT_BEST = 0.45  # a liked category, the most appealing product, the lowest price
APPEAL_FLOOR = 0.15
APPEAL_FROM_RATING = 0.35  # the rest cannot be seen in the catalogue and must be learned from clicks
MATCH_FIRST = 1.0
MATCH_SECOND = 0.7
MATCH_OTHERS = 0.08
PRICE_SENSITIVITIES = (0.0, 0.8, 1.6)
UNRATED = 0.5
REGIONS = ("EU", "US", "APAC", "LATAM")
DEVICES = ("phone", "desktop", "tablet")


class Shopper(msgspec.Struct, frozen=True):
    """A person: indices of the two liked categories, the best liked first, and how much a high price puts off."""

    liked: tuple[int, int]
    price_sensitivity: float
    region: str
    device: str


class Shop:
    """The catalogue as columns of length n; `appeal` and `relative_price` (the price's rank in its category) lie in [0, 1].

    Raises:
        ValueError: fewer than two categories, or a category without products.
    """

    def __init__(self, products: Sequence[Product]) -> None:
        self.product_ids = [product.product_id for product in products]
        self.titles = {product.product_id: product.title or product.product_id for product in products}
        self.prices = [product.price for product in products]
        self.category_ids: list[str] = sorted({product.category_id for product in products})
        if len(self.category_ids) < 2:
            raise ValueError("a catalogue for shoppers needs at least two categories")
        code = {category: index for index, category in enumerate(self.category_ids)}
        self.category = np.array([code[product.category_id] for product in products], dtype=np.int64)
        self.members = [np.flatnonzero(self.category == index) for index in range(len(code))]
        self.row_of = {product_id: row for row, product_id in enumerate(self.product_ids)}
        self.appeal = np.array([appeal_of(product) for product in products])
        self.relative_price = _ranks_within(self.category, np.array([product.price or 0.0 for product in products]))

    def __len__(self) -> int:
        return len(self.product_ids)

    def click_probabilities(self, shopper: Shopper) -> Vector:
        """Return the probability of a click on each product when it is seen, wherever it stands; shape (n,)."""
        match = np.full(len(self.category_ids), MATCH_OTHERS)
        match[shopper.liked[1]] = MATCH_SECOND
        match[shopper.liked[0]] = MATCH_FIRST
        price = np.exp(-shopper.price_sensitivity * self.relative_price)
        probabilities: Vector = CLICK_AT_BEST * self.appeal * match[self.category] * price
        return probabilities

    def category_of(self, row: int) -> str:
        """Return a product's category."""
        return self.category_ids[int(self.category[row])]


def draw_shopper(shop: Shop, rng: np.random.Generator) -> Shopper:
    """Return a shopper at random; every category is liked equally often."""
    first, second = rng.choice(len(shop.category_ids), size=2, replace=False).tolist()
    return Shopper(
        liked=(first, second),
        price_sensitivity=PRICE_SENSITIVITIES[int(rng.integers(len(PRICE_SENSITIVITIES)))],
        region=REGIONS[int(rng.integers(len(REGIONS)))],
        device=DEVICES[int(rng.integers(len(DEVICES)))],
    )


def best_mean(probabilities: Vector, items: int) -> float:
    """Return the mean probability of a click over the best possible list of that many items."""
    count = min(items, len(probabilities))
    return float(np.partition(probabilities, -count)[-count:].mean())


def appeal_of(product: Product) -> float:
    """Return a product's appeal, in [APPEAL_FLOOR, 1]: partly its rating, mostly fixed by its id and nowhere to be read."""
    digest = blake2b(product.product_id.encode(), digest_size=8).digest()
    hidden: float = (int.from_bytes(digest) / 2**64) ** 1.5
    rated = UNRATED if product.rating is None else (product.rating - 1) / 4
    return APPEAL_FLOOR + (1 - APPEAL_FLOOR) * ((1 - APPEAL_FROM_RATING) * hidden + APPEAL_FROM_RATING * rated)


def _ranks_within(groups: NDArray[np.int64], values: Vector) -> Vector:
    """The rank of each value in its group, 0 for the smallest and 1 for the largest."""
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        order = np.argsort(np.argsort(values[rows], kind="stable"), kind="stable")
        ranks[rows] = order / max(1, len(rows) - 1)
    return ranks
