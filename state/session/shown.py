"""How often a session has seen a product without doing anything with it, beyond the exposures that are still open."""

from collections.abc import Sequence

from state.configuration import Variety
from state.session.interest import bought_in
from state.session.recent_events import LoggedEvent

MOST_PRODUCTS = 64
"""Counted in a session; the longest unseen goes first, so a count may begin anew."""


def count_shown(shown: dict[str, int], product_id: str) -> None:
    """Count that the product was seen once more; it moves to the end."""
    times = shown.pop(product_id, 0)
    if len(shown) >= MOST_PRODUCTS:
        del shown[next(iter(shown))]
    shown[product_id] = times + 1


def count_unseen(shown: dict[str, int], product_id: str) -> None:
    """Count back a product that was not seen after all."""
    times = shown.get(product_id, 0)
    if times > 1:
        shown[product_id] = times - 1
    else:
        shown.pop(product_id, None)


def hidden_products(shown: dict[str, int], events: Sequence[LoggedEvent], variety: Variety) -> set[str]:
    """Return what `variety` says not to show any more: seen `times_shown` times in vain, or in a checkout among the session's
    events."""
    most = variety.times_shown
    hidden = {product for product, times in shown.items() if times >= most} if most else set()
    return hidden | bought_in(events) if variety.hide_bought else hidden
