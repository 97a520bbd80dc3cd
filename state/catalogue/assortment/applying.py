"""What a category makes of the directory's messages."""

from collections.abc import Callable, Iterable

import msgspec

from state.catalogue.assortment.category import Category
from state.catalogue.assortment.facts import WANTED
from state.catalogue.assortment.message import Act, Change, Message
from state.catalogue.assortment.records import ProductRecord, product_key
from state.catalogue.assortment.tally import Tally
from state.codec import unpack

Former = Callable[[str], bytes | None]
"""Gives the facts that the state holds of a product, None where it holds none."""

_VERSION = b"\x01"


class Version:
    """The newest version that a category has heard of: records carry it, so that what is older is known."""

    def __init__(self, version: int = 0) -> None:
        self.version = version

    def rise(self, version: int) -> None:
        """Take note of a version."""
        self.version = max(self.version, version)

    def encode(self, tally: Tally) -> bytes:
        """Return versioned bytes for Flink's state, with the category's tally."""
        return _VERSION + _encoder.encode((self.version, tally))

    @classmethod
    def decode(cls, data: bytes | None) -> "tuple[Version, Tally]":
        """Invert `encode`; the beginning for None.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        if data is None:
            return cls(), Tally()
        version, tally = unpack(data, (_VERSION,), _decoder, "a category's tally")
        return cls(version), tally


class Applied(msgspec.Struct):
    """Consequences of messages: facts to store by product, None for one that goes; products by which the lists changed; records of
    products for session operators; whether the category has news, and whether they cannot wait."""

    version: int
    products: dict[str, bytes | None] = {}
    listed: list[str] = []
    records: list[tuple[bytes, bytes | None]] = []
    has_news: bool = False
    is_urgent: bool = False


def apply(category: Category, category_id: str, messages: Iterable[Message], former: Former) -> Applied:
    """Apply messages, which come in order."""
    applied, listed = Applied(0), dict[str, None]()

    def known(product_id: str) -> bytes | None:
        return applied.products[product_id] if product_id in applied.products else former(product_id)

    for message in messages:
        applied.version = message.version
        for change in message.changes:
            if change.act is Act.REPORT:
                _answer(applied, category_id, change.product_id, known(change.product_id))
                continue
            was_listed, is_urgent = _change(applied, category, category_id, change, known)
            applied.has_news = True
            applied.is_urgent = applied.is_urgent or is_urgent
            if was_listed:
                listed[change.product_id] = None
    applied.listed = list(listed)
    return applied


def _change(applied: Applied, category: Category, category_id: str, change: Change, known: Former) -> tuple[bool, bool]:
    product_id, facts = change.product_id, change.facts
    before = known(product_id) if change.act is not Act.ADD or product_id in applied.products else None
    if change.act in (Act.ADD, Act.CHANGE):
        applied.products[product_id] = facts
        if facts[0] & WANTED:
            _answer(applied, category_id, product_id, facts)
        return category.put(product_id, facts, before)
    applied.products[product_id] = None
    if change.act is Act.REMOVE and facts:
        applied.records.append((product_key(product_id), None))
    return (False, False) if before is None else category.remove(product_id, before)


def _answer(applied: Applied, category_id: str, product_id: str, facts: bytes | None) -> None:
    if facts is not None:
        applied.records.append((product_key(product_id), ProductRecord(category_id, applied.version, facts).encode()))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[int, Tally])
