"""The storefront's catalogue: a file of products in memory, by category and by words."""

from collections.abc import Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from jobs.errors import ConfigurationError
from state.catalogue.product import Product, read_product

MOST_PRODUCTS = 50_000
PRIOR_COUNT = 20
"""A product with fewer ratings is drawn to the mean of all, so that one rating of 5 is not the best of the shop."""
PRIOR_MEAN = 3.8


class Category(NamedTuple):
    """A category with its products, the best rated first."""

    category_id: str
    rating: float
    products: Sequence[Product]


class Catalogue:
    """All products of the storefront."""

    def __init__(self, products: Sequence[Product]) -> None:
        best_first = sorted(products, key=lambda product: (-shrunk_rating(product), product.product_id))
        self.products = {product.product_id: product for product in best_first}
        self._texts = {product.product_id: _searched_text(product) for product in best_first}
        groups: dict[str, list[Product]] = {}
        for product in self.products.values():
            groups.setdefault(product.category_id, []).append(product)
        found = [Category(name, sum(map(shrunk_rating, group)) / len(group), group) for name, group in groups.items()]
        self.categories = {each.category_id: each for each in sorted(found, key=lambda each: -each.rating)}

    def search(self, query: str, most: int) -> list[Product]:
        """Find the products that have all words of the query, the best rated first."""
        words = query.casefold().split()
        if not words:
            return []
        hits = (key for key, text in self._texts.items() if all(word in text for word in words))
        return [self.products[key] for key in islice(hits, most)]


def shrunk_rating(product: Product) -> float:
    """Return the rating, drawn to the mean of all by how few gave one."""
    count = product.rating_count or 0
    return ((product.rating or PRIOR_MEAN) * count + PRIOR_MEAN * PRIOR_COUNT) / (count + PRIOR_COUNT)


def read_catalogue(path: str) -> Catalogue:
    """Read a file of products, one JSON object a line; of the demo if no path is given. Lines that are no product are left out.

    Raises:
        ConfigurationError: the file cannot be read, or holds too much for a storefront's memory.
    """
    source = Path(path) if path else files("conf").joinpath("demo", "catalogue.jsonl")
    products: list[Product] = []
    try:
        with source.open("rb") as lines:
            for line in lines:
                product = read_product(line)
                if isinstance(product, Product):
                    products.append(product)
                if len(products) > MOST_PRODUCTS:
                    raise ConfigurationError(
                        f"serving.storefront_catalogue: {path} has more than {MOST_PRODUCTS} products; name a smaller file"
                    )
    except OSError as error:
        raise ConfigurationError(f"serving.storefront_catalogue: cannot read {path}: {error.strerror}") from None
    return Catalogue(products)


def _searched_text(product: Product) -> str:
    return f"{product.title or ''} {product.category_id} {product.product_id}".casefold()
