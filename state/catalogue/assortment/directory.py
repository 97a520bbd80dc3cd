"""The directory: which category each product belongs to, so that the category hears of what becomes of it."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from state.catalogue.assortment.facts import WANTED, pack, with_flag
from state.catalogue.assortment.message import Act, Change
from state.catalogue.product import read_product
from state.codec import reading, unknown_version
from state.events.event import LONGEST_ID
from state.events.rejection import Reason, Rejection

_VERSION = 1
_DIGEST = 8
_HEAD = 2 + _DIGEST
_NOTHING = Rejection(Reason.EMPTY, None, "the record has no value, and no key of a product to remove")


class RecordPosition(NamedTuple):
    """Position of a record in the products' topic, and its Kafka time in ms."""

    partition: int
    offset: int
    record_ms: int


class Entry(msgspec.Struct, frozen=True):
    """Record that the directory holds of a product: its category, a digest of what that was told of it, and whether it was asked
    for."""

    category_id: str
    digest: bytes
    is_wanted: bool = False

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state."""
        return bytes((_VERSION, self.is_wanted)) + self.digest + self.category_id.encode()

    @classmethod
    def decode(cls, data: bytes) -> "Entry":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        if data[:1] != bytes((_VERSION,)):
            raise unknown_version("a directory entry", data[:1])
        with reading("a directory entry"):
            return cls(data[_HEAD:].decode(), data[2:_HEAD], bool(data[1]))


class Refused(NamedTuple):
    """A record that is no product."""

    key: bytes
    payload: bytes | None
    position: RecordPosition
    rejection: Rejection


class Batch(NamedTuple):
    """Input that came for a shard: of each product its last record, as (category, facts), or None for a removal; the products that
    were asked for; and what was refused."""

    products: dict[str, tuple[str, bytes] | None]
    wanted: list[str]
    refused: list[Refused]


class Outcome(NamedTuple):
    """Consequences of a batch: changes by category; entries to store; products whose entries go; products that are to be forgotten
    though the directory did not know them; and how many records changed nothing."""

    changes: dict[str, list[Change]]
    entries: dict[str, bytes]
    removed: list[str]
    unknown: list[str]
    unchanged: int


def read_batch(rows: Iterable[tuple[bytes, bytes | None, RecordPosition | None, str]]) -> Batch:
    """Gather rows of (Kafka key, payload, position, product id by which the shard was found) into a batch. Without a position
    a session operator asks for the product that is the key.

    Gathering need not keep the order: the highest offset of a product wins.
    """
    asked: dict[str, None] = {}
    records = []
    for key, payload, position, product_id in rows:
        if position is None:
            asked[key.decode(errors="replace")] = None
        else:
            records.append((position, key, payload, product_id))
    records.sort(key=lambda record: record[0])
    batch = Batch({}, list(asked), [])
    for position, key, payload, product_id in records:
        if payload is None and is_id(key):
            batch.products[product_id] = None
            continue
        product = read_product(payload) if payload else _NOTHING
        if isinstance(product, Rejection):
            batch.refused.append(Refused(key, payload, position, product))
        elif product.product_id != product_id:
            why = Rejection(Reason.KEY_MISMATCH, "product_id", "the product cannot be told, is the field there twice?")
            batch.refused.append(Refused(key, payload, position, why))
        else:
            batch.products[product_id] = (product.category_id, pack(product))
    return batch


def is_id(key: bytes) -> bool:
    """Return whether a record's key can be a product's id."""
    try:
        return 1 <= len(key.decode()) <= LONGEST_ID
    except UnicodeDecodeError:
        return False


def apply_batch(batch: Batch, known: Mapping[str, bytes | None]) -> Outcome:
    """Apply a batch; `known` has the entry of each product that the batch names, None where there is none."""
    outcome = Outcome({}, {}, [], [], 0)
    unchanged = 0
    for product_id, listing in batch.products.items():
        data = known[product_id]
        entry = None if data is None else Entry.decode(data)
        if listing is not None:
            unchanged += not _list(outcome, product_id, *listing, entry)
        elif entry is None:
            outcome.unknown.append(product_id)
        else:
            outcome.removed.append(product_id)
            facts = bytes((WANTED,)) if entry.is_wanted else b""
            _add(outcome, entry.category_id, Change(Act.REMOVE, product_id, facts))
    for product_id in batch.wanted:
        _answer(outcome, product_id, known[product_id])
    return outcome._replace(unchanged=unchanged)


def _list(outcome: Outcome, product_id: str, category_id: str, facts: bytes, entry: Entry | None) -> bool:
    """A product as it is from now on; returns whether that is anything new."""
    digest = hashlib.blake2b(facts + category_id.encode(), digest_size=_DIGEST).digest()
    if entry is not None and entry.digest == digest:
        return False
    is_wanted = entry is not None and entry.is_wanted
    if is_wanted:
        facts = with_flag(facts, WANTED)
    is_here = entry is not None and entry.category_id == category_id
    if entry is not None and not is_here:
        _add(outcome, entry.category_id, Change(Act.LEAVE, product_id))
    _add(outcome, category_id, Change(Act.CHANGE if is_here else Act.ADD, product_id, facts))
    outcome.entries[product_id] = Entry(category_id, digest, is_wanted).encode()
    return True


def _answer(outcome: Outcome, product_id: str, data: bytes | None) -> None:
    """Notes that the product was asked for; one that the shop does not have is not."""
    data = None if product_id in outcome.removed else outcome.entries.get(product_id, data)
    if data is None:
        return
    entry = Entry.decode(data)
    if not entry.is_wanted:
        outcome.entries[product_id] = msgspec.structs.replace(entry, is_wanted=True).encode()
    _add(outcome, entry.category_id, Change(Act.REPORT, product_id))


def _add(outcome: Outcome, category_id: str, change: Change) -> None:
    outcome.changes.setdefault(category_id, []).append(change)
