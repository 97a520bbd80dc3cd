"""Records of the assortment, for tests of those who read them."""

from typing import Any

from state.catalogue.assortment.facts import pack, unpack
from state.catalogue.assortment.records import CategoryRecord, ProductRecord
from state.catalogue.assortment.tally import Tally
from state.catalogue.product import Product


def listed_product(product_id: str, category_id: str = "c1", version: int = 1, **fields: Any) -> ProductRecord:
    """A product that was asked for."""
    return ProductRecord(category_id, version, pack(Product(product_id, category_id, **fields)))


def listed_category(category_id: str, products: dict[str, dict[str, Any]], version: int = 1) -> CategoryRecord:
    """A category that lists these products, and has no others."""
    tally, packed = Tally(), []
    for product_id, fields in products.items():
        packed.append(pack(Product(product_id, category_id, **fields)))
        tally.add(unpack(packed[-1]))
    means = (tally.products, tally.rated, tally.mean_rating, tally.priced, tally.mean_price)
    return CategoryRecord(category_id, version, *means, list(products), b"".join(packed))
