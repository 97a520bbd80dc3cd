"""What session operators are told of the assortment, by key of the topic `candidate_lists`."""

from math import isfinite
from typing import Any

import msgspec
import numpy as np

from state.catalogue.assortment.facts import SIZE
from state.codec import damaged, unpack

CATEGORY_PREFIX = b"category/"
PRODUCT_PREFIX = b"product/"
_VERSION = b"\x01"
LATEST_MS = 2**53
"""A version beyond it is no time."""
_FORM = np.dtype([("flags", "u1"), ("numbers", "<f8", (4,))])
_LEAST, _MOST = (0.0, 1.0, 0.0, -(2.0**53)), (1e12, 5.0, 1e12, 2.0**53)
"""Of price, rating, number of ratings and time of creation, as `Product` accepts them; NaN, not known, is neither."""


class CategoryRecord(msgspec.Struct, array_like=True):
    """A category under `category/<id>`, null once it has no product.

    `version` is in ms since the epoch. `products`, `rated` and `priced` count all products, all with a rating and all with a
    price; `mean_rating` and `mean_price` (of log(1 + price)/8) are over those. `product_ids` are to be held as candidates, best
    rated first, then the newest of the others, with their `facts`, 33 bytes each.
    """

    category_id: str
    version: int
    products: int
    rated: int
    mean_rating: float
    priced: int
    mean_price: float
    product_ids: list[str]
    facts: bytes

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return _VERSION + _encoder.encode(self)


class ProductRecord(msgspec.Struct, array_like=True):
    """A product that was asked for, under `product/<id>`, null once it is gone; `facts` as above, out of stock or not."""

    category_id: str
    version: int
    facts: bytes

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return _VERSION + _encoder.encode(self)


def read_category(data: bytes) -> CategoryRecord:
    """Return the inverse of `CategoryRecord.encode`.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    record: CategoryRecord = _read(_categories, data)
    if len(record.facts) != SIZE * len(record.product_ids):
        raise damaged("a category", f"{len(record.product_ids)} products with {len(record.facts)} bytes of facts")
    counts, means = (record.products, record.rated, record.priced), (record.mean_rating, record.mean_price)
    if min(counts) < 0 or not all(map(isfinite, means)):
        raise damaged("a category", "its counts must not be negative, and its means must be finite")
    _check(record.version, record.facts)
    return record


def read_listed_product(data: bytes) -> ProductRecord:
    """Return the inverse of `ProductRecord.encode`.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    record: ProductRecord = _read(_products, data)
    if len(record.facts) != SIZE:
        raise damaged("a listed product", f"it has {len(record.facts)} bytes of facts")
    _check(record.version, record.facts)
    return record


def category_key(category_id: str) -> bytes:
    """Return the record's key."""
    return CATEGORY_PREFIX + category_id.encode()


def product_key(product_id: str) -> bytes:
    """Return the record's key."""
    return PRODUCT_PREFIX + product_id.encode()


def _check(version: int, facts: bytes) -> None:
    """Refuses what would fail, or spoil every choice, only once it is used."""
    if not 0 <= version < LATEST_MS:
        raise damaged("a record of the assortment", f"version {version} is no time in ms")
    numbers = np.frombuffer(facts, dtype=_FORM)["numbers"]
    if ((numbers < _LEAST) | (numbers > _MOST)).any():
        raise damaged("a record of the assortment", "a product has a price, rating or time that none can have")


def _read(decoder: Any, data: bytes) -> Any:
    return unpack(data, (_VERSION,), decoder, "a record of the assortment")


_encoder = msgspec.msgpack.Encoder()
_categories = msgspec.msgpack.Decoder(CategoryRecord)
_products = msgspec.msgpack.Decoder(ProductRecord)
