"""Reading a product of the `products` topic."""

import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from state.events.decoding import decode_or_reject
from state.events.event import Identifier
from state.events.rejection import Rejection

PRODUCT_LIMIT_BYTES = 65_536
LARGEST_EXACT = 2**53
"""Whole numbers beyond this have no exact float."""


class Product(msgspec.Struct, frozen=True):
    """A product as shops send it; `created_at` in ms since the epoch.

    `image` and `url` are for those who show products: anything that is no safe link says nothing, see `safe_link`.
    `in_stock` and `stock` (0: out) may also stand in `attributes`, where anything that is not of their type says nothing.
    """

    product_id: Identifier
    category_id: Identifier
    title: Annotated[str, Meta(max_length=2_048)] | None = None
    price: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    rating: Annotated[float, Meta(ge=1, le=5)] | None = None
    rating_count: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    created_at: Annotated[int, Meta(ge=-LARGEST_EXACT, le=LARGEST_EXACT)] | None = None
    attributes: dict[str, Any] | None = None
    in_stock: bool | None = None
    stock: Annotated[float, Meta(ge=0)] | None = None
    image: Any = None
    url: Any = None

    @property
    def is_available(self) -> bool:
        """Whether it can be bought: nothing says that it is out of stock."""
        in_stock, stock = self.in_stock, self.stock
        if self.attributes:
            value = self.attributes.get("in_stock")
            if in_stock is None and isinstance(value, bool):
                in_stock = value
            value = self.attributes.get("stock")
            if stock is None and isinstance(value, int | float) and not isinstance(value, bool):
                stock = value
        return in_stock is not False and (stock is None or stock > 0)


LONGEST_LINK = 2_048
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SCHEME = re.compile(r"([^/?#:]*):")


def safe_link(value: Any) -> str | None:
    """Return a link that a page may follow or show: of http or https, or relative; None for anything else.

    Browsers drop control characters inside of a link, so one that has any is none.
    """
    if not isinstance(value, str):
        return None
    link = value.strip()
    scheme = _SCHEME.match(link)
    if not link or len(link) > LONGEST_LINK or _UNSAFE.search(link):
        return None
    return link if scheme is None or scheme[1].lower() in ("http", "https") else None


_decoder = msgspec.json.Decoder(Product)


def read_product(payload: bytes) -> Product | Rejection:
    """Return a product from the bytes of a record, or why it is none."""
    return decode_or_reject(_decoder, payload, PRODUCT_LIMIT_BYTES)
