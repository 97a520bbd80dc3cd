"""Reading a bundle of the `bundles` topic."""

from typing import Annotated

import msgspec
from msgspec import Meta

from state.events.decoding import decode_or_reject
from state.events.event import Identifier
from state.events.rejection import Reason, Rejection

BUNDLE_LIMIT_BYTES = 65_536
MOST_ITEMS = 20


class Bundle(msgspec.Struct, frozen=True):
    """A bundle as shops send it: `discount` is a share of the price, `valid_until` in ms since the epoch, None for no end."""

    bundle_id: Identifier
    primary_product: Identifier
    bundle_items: Annotated[list[Identifier], Meta(min_length=1, max_length=MOST_ITEMS)]
    discount: Annotated[float, Meta(ge=0, le=1)]
    valid_until: Annotated[int, Meta(ge=1)] | None = None

    @property
    def products(self) -> list[str]:
        """The primary product, then the other parts."""
        return [self.primary_product, *self.bundle_items]

    def is_valid(self, now_ms: int) -> bool:
        """Return whether it may still be offered."""
        return self.valid_until is None or now_ms <= self.valid_until


_decoder = msgspec.json.Decoder(Bundle)


def read_bundle(payload: bytes) -> Bundle | Rejection:
    """Return a bundle from the bytes of a record, or why it is none."""
    bundle = decode_or_reject(_decoder, payload, BUNDLE_LIMIT_BYTES)
    if isinstance(bundle, Rejection):
        return bundle
    if len(set(bundle.products)) != len(bundle.products):
        return Rejection(
            Reason.INVALID_VALUE, "bundle_items", "each product may be in a bundle once, the primary included"
        )
    return bundle
