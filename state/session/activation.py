"""How well a session is known: cold, warming or active."""

from collections.abc import Callable, Sequence
from typing import Literal

from state.configuration import Session as Rules
from state.session.recent_events import LoggedEvent

Status = Literal["cold", "warming", "active"]
NEWEST_COMPARED = 10
"""Products of a session that are compared with what other sessions viewed together."""


def status_of(
    events: Sequence[LoggedEvent], settings: Rules, viewed_with: Callable[[str], Sequence[tuple[str, float]]]
) -> Status:
    """Return `active` with enough events of enough products and categories, or with fewer where enough of its products belong
    together by the views of other sessions: then its profile is like theirs. `viewed_with` tells a product's partners.
    """
    if len(events) < settings.warming_after:
        return "cold"
    are_enough = len(events) >= settings.active_after
    products: dict[str, None] = {}
    categories: set[str] = set()
    for event in reversed(events):
        products |= dict.fromkeys(event.products)
        categories.update(event.categories)
        categories.discard("")
        if are_enough and len(products) + len(categories) >= settings.active_variety:
            return "active"
    if len(products) < settings.active_match:
        return "warming"
    return "active" if matches(list(products)[:NEWEST_COMPARED], viewed_with) >= settings.active_match else "warming"


def matches(products: Sequence[str], viewed_with: Callable[[str], Sequence[tuple[str, float]]]) -> int:
    """Return how many of the products are partners of another of them."""
    compared, matching = set(products), set()
    for product in products:
        matching.update([name for name, _ in viewed_with(product) if name in compared and name != product])
    return len(matching)
