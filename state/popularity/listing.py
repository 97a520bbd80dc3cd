"""A list as it travels: versioned bytes in the topic `popularity`, JSON in Redis."""

from math import isfinite

import msgspec

from state.codec import damaged, unpack
from state.popularity.trends import Trend
from state.popularity.window import Counted

_VERSION = b"\x01"
CATEGORIES_LISTED = 20
MOST_LISTED = 1_000
"""Entries of each kind; `popularity.top` is less."""
DIGITS = 6


class Listing(msgspec.Struct, array_like=True, frozen=True):
    """Counts of the window that ends at `end_ms`: `total` of everything, the most counted products and categories as (id, count),
    and the trending products as (id, count, score)."""

    end_ms: int
    window_ms: int
    total: int
    products: list[tuple[str, int]]
    trends: list[Trend]
    categories: list[tuple[str, int]]

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return _VERSION + _encoder.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Listing":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        found = unpack(data, (_VERSION,), _decoder, "a popularity list")
        counts = [found.end_ms, found.window_ms, found.total]
        counts += [entry[1] for entries in (found.products, found.trends, found.categories) for entry in entries]
        if min(counts) < 0 or not all(isfinite(score) for _, _, score in found.trends):
            raise damaged("a popularity list", "counts must not be negative, and scores must be finite")
        if max(len(found.products), len(found.trends), len(found.categories)) > MOST_LISTED:
            raise damaged("a popularity list", f"it lists more than {MOST_LISTED} entries")
        return found


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Listing)


class PopularItem(msgspec.Struct):
    """A product of a list in Redis; `score` is its share of all counts."""

    product_id: str
    score: float
    count: int


class PopularCategory(msgspec.Struct):
    """A category there, likewise."""

    category_id: str
    score: float


class PopularJson(msgspec.Struct):
    """The value of `<prefix>:popular:<region>`; the first two fields first, as newer is told from older by them."""

    region: str
    updated_at: int
    window_ms: int
    items: list[PopularItem]
    categories: list[PopularCategory]


def listing(end_ms: int, window_ms: int, counted: Counted, trends: list[Trend], top: int) -> Listing:
    """Return the list of a window, of at most `top` products."""
    return Listing(
        end_ms, window_ms, counted.total, counted.products[:top], trends, counted.categories[:CATEGORIES_LISTED]
    )


def popular_json(region: str, found: Listing) -> bytes:
    """Return the list for those who read Redis."""
    total = max(1, found.total)
    items = [PopularItem(product, round(count / total, DIGITS), count) for product, count in found.products]
    categories = [PopularCategory(category, round(count / total, DIGITS)) for category, count in found.categories]
    return msgspec.json.encode(PopularJson(region, found.end_ms, found.window_ms, items, categories))
