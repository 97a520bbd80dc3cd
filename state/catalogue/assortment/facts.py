"""What ranking needs of a product, packed: in state, in messages and in the records that session operators read."""

import struct
from math import isnan
from typing import NamedTuple

from state.catalogue.product import Product
from state.codec import reading, unknown_version

SIZE = 33
AVAILABLE = 1
WANTED = 2
"""Flags of the first byte: it can be bought; session operators have asked for it."""
UNKNOWN = float("nan")

_FORM = struct.Struct("<B4d")
_STORED = b"\x01"


class Facts(NamedTuple):
    """Flags, price, rating (1–5), number of ratings, and time of creation in ms; NaN where a number is not known."""

    flags: int
    price: float
    rating: float
    rating_count: float
    created_ms: float

    @property
    def is_available(self) -> bool:
        """Whether it can be bought."""
        return bool(self.flags & AVAILABLE)

    @property
    def is_rated(self) -> bool:
        """Whether it has a rating of its own."""
        return not isnan(self.rating)

    @property
    def reviews(self) -> float:
        """How many ratings stand behind its own; 0 where it has none."""
        return self.rating_count if self.is_rated and self.rating_count > 0 else 0.0


def pack(product: Product) -> bytes:
    """Return a product's facts, 33 bytes."""
    return _FORM.pack(
        AVAILABLE if product.is_available else 0,
        UNKNOWN if product.price is None else product.price,
        UNKNOWN if product.rating is None else product.rating,
        UNKNOWN if product.rating_count is None else product.rating_count,
        UNKNOWN if product.created_at is None else product.created_at,
    )


def unpack(facts: bytes) -> Facts:
    """Invert `pack`."""
    return Facts(*_FORM.unpack(facts))


def with_flag(facts: bytes, flag: int) -> bytes:
    """Return the facts with one more flag."""
    return bytes((facts[0] | flag,)) + facts[1:]


def stored(product_id: str, facts: bytes) -> bytes:
    """Return a product in a category's state, versioned. The id is in it too, since reading values is faster than reading
    entries."""
    return _STORED + facts + product_id.encode()


def read_stored(data: bytes) -> tuple[str, bytes]:
    """Invert `stored`: id and facts.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    if data[:1] != _STORED:
        raise unknown_version("a stored product", data[:1])
    with reading("a stored product"):
        unpack(data[1 : 1 + SIZE])
        return data[1 + SIZE :].decode(), data[1 : 1 + SIZE]
