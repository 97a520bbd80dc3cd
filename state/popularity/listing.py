"""A list as it travels: versioned bytes in the topic `popularity`, JSON in Redis."""

import msgspec

from state.popularity.trends import Trend
from state.popularity.window import Counted

_VERSION = b"\x01"
CATEGORIES_LISTED = 20
DIGITS = 6


class Listing(msgspec.Struct, array_like=True, frozen=True):
    """What was counted in the window that ends at `end_ms`: `total` of everything, the most counted products and categories as
    (id, count), and the trending products as (id, count, score)."""

    end_ms: int
    window_ms: int
    total: int
    products: list[tuple[str, int]]
    trends: list[Trend]
    categories: list[tuple[str, int]]

    def encode(self) -> bytes:
        """Versioned bytes."""
        return _VERSION + _encoder.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Listing":
        """The inverse of `encode`.

        Raises:
            ValueError: the version is unknown or the bytes are none of ours.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"a popularity list of version {data[:1]!r} cannot be read by this release")
        try:
            return _decoder.decode(data[1:])
        except msgspec.DecodeError as error:
            raise ValueError(f"the popularity list is damaged: {error}") from None


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
    """The list of a window, of at most `top` products."""
    return Listing(
        end_ms, window_ms, counted.total, counted.products[:top], trends, counted.categories[:CATEGORIES_LISTED]
    )


def popular_json(region: str, found: Listing) -> bytes:
    """The list for those who read Redis."""
    total = max(1, found.total)
    items = [PopularItem(product, round(count / total, DIGITS), count) for product, count in found.products]
    categories = [PopularCategory(category, round(count / total, DIGITS)) for category, count in found.categories]
    return msgspec.json.encode(PopularJson(region, found.end_ms, found.window_ms, items, categories))
