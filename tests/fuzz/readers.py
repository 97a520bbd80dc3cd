"""Readers of bytes from outside, for whoever wants to break them."""

import json
from collections.abc import Callable
from contextlib import suppress

from state.candidates.bundle import read_bundle
from state.catalogue.product import read_product
from state.codec import UnreadableError
from state.events.event import read_event, speaks_of_consent
from state.events.rejection import Origin, Rejection, dead_letter
from state.users.user_list import read_user_list
from tests.state.test_bytes import READERS

NOW_MS = 1_763_770_000_000
CHECKOUT = {
    "session_id": "s",
    "event_type": "checkout",
    "timestamp": NOW_MS,
    "items": [{"product_id": "p", "price": 1.5}],
}
PRODUCT = {"product_id": "p", "category_id": "c", "price": 2.5, "rating": 4, "attributes": {"stock": 1}}
BUNDLE = {"bundle_id": "b", "primary_product": "p", "bundle_items": ["q"], "discount": 0.1}


def read_any_event(data: bytes) -> None:
    """As the session operator does: a rejection becomes a dead letter, and what is accepted can be written."""
    found = read_event(data, now_ms=NOW_MS, max_bytes=65_536, max_future_ms=300_000)
    if isinstance(found, Rejection):
        speaks_of_consent(data)
        dead_letter(found, Origin("t", 0, 0, NOW_MS), data)
    else:
        f"{found.session_id}{found.identity}{found.products()}".encode()


TEXT: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "event": (json.dumps(CHECKOUT).encode(), read_any_event),
    "product": (json.dumps(PRODUCT).encode(), read_product),
    "bundle": (json.dumps(BUNDLE).encode(), read_bundle),
    "user list": (json.dumps({"user_id": "u", "items": ["p"]}).encode(), lambda data: read_user_list(b"u", data, 20)),
    "user list's key": (b"u", lambda data: read_user_list(data, None, 20)),
}
"""A good one, and its reader, which answers with a rejection and raises nothing."""

BINARY = {name: reader for name, reader in READERS.items() if name != "update"}
"""An update that is sound alone may make sums that are not: the model's operator sees that when it publishes."""

GOOD = [*(good for good, _ in TEXT.values()), *(reader.good for reader in BINARY.values())]


def check(number: int, data: bytes) -> None:
    """Reads the bytes by the reader of that number; what is raised that must not be goes on to whoever asked."""
    if number < len(TEXT):
        list(TEXT.values())[number][1](data)
    else:
        with suppress(UnreadableError):
            list(BINARY.values())[number - len(TEXT)].read(data)
