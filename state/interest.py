"""What a session's events say of the visitor's interest: affinities, and the weight that a score sums over.

Event weights and decay follow the source paper: category view 0.5, product view 1, add to cart 3, checkout 5, times 0.9^k for
the k-th newest event, counting views, carts, checkouts and feedback.
"""

from collections.abc import Sequence

import msgspec

from state.configuration import Decay, Weights
from state.event import EVENT_TYPES
from state.recent_events import LoggedEvent

CATEGORY_VIEW = EVENT_TYPES.index("category_view")
PRODUCT_VIEW = EVENT_TYPES.index("product_view")
ADD_TO_CART = EVENT_TYPES.index("add_to_cart")
CHECKOUT = EVENT_TYPES.index("checkout")
FEEDBACK = EVENT_TYPES.index("feedback")
IMPRESSION = EVENT_TYPES.index("impression")
THUMB_DOWN = -1.0
DISLIKED_CATEGORY_SHARE = 0.2
"""A thumb down lowers the product, and its category by only this share of it."""


class Interest(msgspec.Struct, frozen=True):
    """Affinities by product and category (decayed weights), and `total`, the decayed weight of all counted events.

    `disliked` are the products whose newest thumb is down: they are shown no more until it is up. `visits` counts events by
    category, undecayed and unweighted, but for thumbs down; `events` are all that count, undecayed.
    `own` is the session's own part where more than that is known of the user, see `state/warm_start.py`.
    """

    products: dict[str, float]
    categories: dict[str, float]
    total: float
    disliked: frozenset[str] = frozenset()
    visits: dict[str, float] = {}
    events: int = 0
    own: "Interest | None" = None


def weight_of(event: LoggedEvent, weights: Weights) -> float | None:
    """The event's signed weight, or None where its type does not count."""
    kind = event.kind
    if kind == PRODUCT_VIEW:
        return weights.product_view
    if kind == CATEGORY_VIEW:
        return weights.category_view
    if kind == ADD_TO_CART:
        return weights.add_to_cart
    if kind == CHECKOUT:
        return weights.checkout
    if kind == FEEDBACK:
        return weights.thumb * event.strength
    return None


def interest(events: Sequence[LoggedEvent], weights: Weights, decay: Decay) -> Interest:
    """Sums decayed weights over `events` (oldest first), as of the newest; always in the same order, so to the last bit."""
    products: dict[str, float] = {}
    categories: dict[str, float] = {}
    visits: dict[str, float] = {}
    total, counted = 0.0, 0
    now_ms = events[-1].timestamp_ms if events else 0
    factor = 1.0
    for event in reversed(events):
        weight = weight_of(event, weights)
        if weight is None:
            continue
        if decay.mode == "half_life":
            factor = 2.0 ** ((event.timestamp_ms - now_ms) / decay.half_life_ms)
        weighted = weight * factor
        total += abs(weighted)
        counted += 1
        for product in event.products:
            products[product] = products.get(product, 0.0) + weighted
        shared = weighted if weighted >= 0 else DISLIKED_CATEGORY_SHARE * weighted
        for category in dict.fromkeys(event.categories):
            if category:
                categories[category] = categories.get(category, 0.0) + shared
                if weighted > 0:
                    visits[category] = visits.get(category, 0) + 1
        if decay.mode == "step":
            factor *= decay.factor
    return Interest(products, categories, total, _disliked(events), visits, counted)


def _disliked(events: Sequence[LoggedEvent]) -> frozenset[str]:
    newest = {product: event.strength for event in events if event.kind == FEEDBACK for product in event.products}
    return frozenset(product for product, strength in newest.items() if strength <= THUMB_DOWN)
