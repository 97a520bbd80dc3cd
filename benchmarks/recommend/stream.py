"""A shop's past as events in the order of time, and where its test period begins."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from state.catalogue.product import Product
from state.events.event import Event

TEST_SHARE = 0.3
"""The last part of the time is the test period."""


class Best(NamedTuple):
    """The best that anybody could expect at an event, in lists of ten: `hit` the probability of a hit, `mrr` the reciprocal rank;
    both over products that are new to the session, where the next one is, and over all, where repeats count."""

    hit: float
    mrr: float
    hit_of_all: float
    mrr_of_all: float


class Listed(NamedTuple):
    """A product, and from when the catalogue has it, in ms; 0 for always."""

    from_ms: int
    product: Product


class Stream(NamedTuple):
    """A shop and what happened there.

    New products come into the catalogue every `listing_ms`. `events` are in the order of time; those of the types in `targets` are
    foretold. `overrides` is the configuration that suits the shop's pace, by section, the same for all that is compared. `best` is
    by the event's place, empty where it is not known.
    """

    name: str
    products: list[Listed]
    listing_ms: int
    events: list[Event]
    targets: frozenset[str]
    overrides: dict[str, Any]
    note: str
    best: dict[int, Best]


def split_at_ms(times_ms: Sequence[int]) -> int:
    """When the test period begins, in ms: so that the last `TEST_SHARE` of the time from the first event to the last is tested.

    Raises:
        ValueError: there are no events.
    """
    first, last = min(times_ms), max(times_ms)
    return round(last - TEST_SHARE * (last - first))


def listed_when_seen(products: Iterable[Product], events: Iterable[tuple[int, str]]) -> list[Listed]:
    """Products from their first event on, of `events` as (time in ms, product), the earliest first.

    A file of events names only products that somebody sought: a catalogue that had them all from the start would know what is going
    to be sought.
    """
    first_ms: dict[str, int] = {}
    for at_ms, product_id in events:
        known_ms = first_ms.get(product_id)
        first_ms[product_id] = at_ms if known_ms is None else min(known_ms, at_ms)
    return sorted(
        (Listed(first_ms[product.product_id], product) for product in products), key=lambda found: found.from_ms
    )
