"""The list of a product's partners: which pairs stand above chance, the strongest first, and its form in the topic."""

import hashlib
import math
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from state.codec import damaged, unpack
from state.configuration import Together
from state.together.row import Row

_VERSION = b"\x01"
PRIOR_BASKETS = 10.0
"""Baskets with neither of two products that are taken to have come before the first: where all that a young shop sold is one pair,
that is no chance."""

MOST_LISTED = 1_000
"""Pairs of a list; `together.listed` is less."""

KEY_PREFIX = b"together/"


class Pair(NamedTuple):
    """A partner: its lift, and the decayed count of baskets with both."""

    product_id: str
    lift: float
    support: float


def partners_of(row: Row, baskets: float, settings: Together) -> list[Pair]:
    """Return the row's partners that have the support and the lift, at most `together.listed`, best first.

    They are ranked by support × ln lift, the local mutual information (Evert 2005, "The statistics of word cooccurrences",
    section 3.1): by lift alone, coincidences among rare products would come first. Never claims more than was seen: a pair counts
    by its least count.
    """
    found = []
    for product_id, partner in row.partners.items():
        support = partner.support
        if support < settings.support or min(support, row.single, partner.single) <= 0:
            continue
        # each counts at least as often as both together, also where its own count is of decades ago and has all but decayed
        lift = support * (baskets + PRIOR_BASKETS) / (max(row.single, support) * max(partner.single, support))
        if lift >= settings.lift:
            found.append((-support * math.log(lift), product_id, lift, support))
    found.sort()
    return [Pair(product_id, lift, support) for _, product_id, lift, support in found[: settings.listed]]


def digest_of(pairs: list[Pair]) -> bytes:
    """Return what tells one list from another: the order of its products and roughly their lifts; empty for an empty list."""
    if not pairs:
        return b""
    rounded = [(pair.product_id, round(math.log2(pair.lift))) for pair in pairs]
    return hashlib.blake2b(msgspec.msgpack.encode(rounded), digest_size=8).digest()


def list_key(kind: str, product_id: str) -> bytes:
    """Return the record's key: together/bought/ID or together/viewed/ID."""
    return KEY_PREFIX + kind.encode() + b"/" + product_id.encode()


def read_key(key: bytes) -> tuple[str, str] | None:
    """Return kind and product of a record's key, None where it is not of this form."""
    prefix, _, rest = key.partition(b"/")
    kind, _, product = rest.partition(b"/")
    if prefix + b"/" != KEY_PREFIX or kind not in (b"bought", b"viewed") or not product:
        return None
    return kind.decode(), product.decode(errors="replace")


def encode_list(pairs: Iterable[Pair]) -> bytes:
    """Return versioned msgpack: [[product, lift, support]…], best first."""
    return _VERSION + msgspec.msgpack.encode([(p.product_id, round(p.lift, 3), round(p.support, 3)) for p in pairs])


def decode_list(data: bytes) -> list[Pair]:
    """Invert `encode_list`.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    pairs = unpack(data, (_VERSION,), _decoder, "a list of partners")
    if len(pairs) > MOST_LISTED or not all(0 < pair.lift < math.inf and 0 <= pair.support < math.inf for pair in pairs):
        raise damaged("a list of partners", f"it has at most {MOST_LISTED} pairs of positive lift")
    return pairs


_decoder: msgspec.msgpack.Decoder[list[Pair]] = msgspec.msgpack.Decoder(list[Pair])
