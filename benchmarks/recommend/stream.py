"""A shop's past as events in the order of time, and where its test period begins."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from state.event import Event
from state.product import Product

TEST_SHARE = 0.3
"""The last part of the time is the test period."""


class Best(NamedTuple):
    """The best that anybody could expect at an event, in lists of ten: `hit` the probability of a hit, `mrr` the reciprocal rank;
    both over products that are new to the session, where the next one is, and over all, where repeats count."""

    hit: float
    mrr: float
    hit_of_all: float
    mrr_of_all: float


class Stream(NamedTuple):
    """A shop and what happened there.

    `events` are in the order of time; those of the types in `targets` are foretold. `overrides` is the configuration that suits the
    shop's pace, by section, the same for all that is compared. `best` is by the event's place, empty where it is not known.
    """

    name: str
    products: list[Product]
    events: list[Event]
    targets: frozenset[str]
    overrides: dict[str, Any]
    note: str
    best: dict[int, Best]


def tested_from_ms(times_ms: Sequence[int]) -> int:
    """When the test period begins, in ms: so that the last `TEST_SHARE` of the time from the first event to the last is tested.

    Raises:
        ValueError: there are no events.
    """
    first, last = min(times_ms), max(times_ms)
    return round(last - TEST_SHARE * (last - first))
