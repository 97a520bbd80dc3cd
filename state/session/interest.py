"""What a session's events say of the visitor's interest: affinities, and the weight that a score sums over.

Event weights and decay follow the source paper: category view 0.5, product view 1, add to cart 3, checkout 5, times 0.9^k for
the k-th newest event, counting views, carts, checkouts and feedback. The products of a bundle that the visitor was offered and
bought as a whole have a bundle's weight in place of a checkout's.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from state.configuration import Decay, Weights
from state.decay import decay_between
from state.events.event import EVENT_TYPES
from state.session.recent_events import LoggedEvent

CATEGORY_VIEW = EVENT_TYPES.index("category_view")
PRODUCT_VIEW = EVENT_TYPES.index("product_view")
ADD_TO_CART = EVENT_TYPES.index("add_to_cart")
CHECKOUT = EVENT_TYPES.index("checkout")
FEEDBACK = EVENT_TYPES.index("feedback")
IMPRESSION = EVENT_TYPES.index("impression")
THUMB_DOWN = -1.0
DISLIKED_CATEGORY_SHARE = 0.2
"""A thumb down lowers the product, and its category by only this share of it."""
_NOBODY: frozenset[str] = frozenset()


class Interest(msgspec.Struct, frozen=True):
    """Affinities by product and category (decayed weights), and `total`, the decayed weight of all counted events.

    `disliked` are the products whose newest thumb is down: they are shown no more until it is up. `visits` counts events by
    category, undecayed and unweighted, except thumbs down; `events` are all that count, undecayed.
    `own` is the session's own part where more than that is known of the user, see `state/users/warm_start.py`; `listed` is the list
    that another recommender made for the user.
    """

    products: dict[str, float]
    categories: dict[str, float]
    total: float
    disliked: frozenset[str] = frozenset()
    visits: dict[str, float] = {}
    events: int = 0
    own: "Interest | None" = None
    listed: Sequence[str] = ()


def largest(values: Mapping[str, float], limit: int) -> list[tuple[str, float]]:
    """Return the names of the largest values with those, the largest first; of equal ones the first by name."""
    if len(values) < 2:
        return list(values.items())
    if len(values) > limit:
        least = sorted(values.values())[-limit]
        values = {name: value for name, value in values.items() if value >= least}
    ranked = sorted(values)
    ranked.sort(key=values.__getitem__, reverse=True)
    return [(name, values[name]) for name in ranked[:limit]]


def most_liked(values: Iterable[tuple[str, float]], limit: int) -> list[tuple[float, str]]:
    """Return the largest of those above 0 with their names, the largest first; of equal ones the last by name."""
    liked = [(value, name) for name, value in values if value > 0]
    liked.sort(reverse=True)
    return liked[:limit]


def weight_of(event: LoggedEvent, weights: Weights) -> float | None:
    """Return the event's signed weight, or None where its type does not count."""
    weight = _by_kind(weights)[event.kind]
    return weight * event.strength if weight and event.kind == FEEDBACK else weight


@lru_cache(maxsize=16)
def weights_by_type(weights: Weights) -> Mapping[str, float]:
    """Return the weight of each type of event that counts: the key of its name, for feedback that of a thumb up."""
    found: dict[str, float] = {
        name: getattr(weights, name) for name in EVENT_TYPES if name in weights.__struct_fields__
    }
    return {**found, "feedback": weights.thumb}


@lru_cache(maxsize=16)
def largest_weight(weights: Weights) -> float:
    """Return the weight of the event that rewards most. A view of a category rewards no product."""
    return max(weight for name, weight in weights_by_type(weights).items() if name != "category_view")


@lru_cache(maxsize=16)
def _by_kind(weights: Weights) -> tuple[float | None, ...]:
    """The weight of each type of event by its number, None for one that does not count."""
    by_type = weights_by_type(weights)
    return tuple(by_type.get(name) for name in EVENT_TYPES)


def interest(events: Sequence[LoggedEvent], weights: Weights, decay: Decay) -> Interest:
    """Sum decayed weights over `events` (oldest first), as of the newest; always in the same order, so to the last bit."""
    products: dict[str, float] = {}
    categories: dict[str, float] = {}
    visits: dict[str, float] = {}
    total, counted, has_feedback = 0.0, 0, False
    now_ms = events[-1].timestamp_ms if events else 0
    factor, by_time = 1.0, decay.mode == "half_life"
    by_kind = _by_kind(weights)
    for age, event in enumerate(reversed(events), start=1):
        kind = event.kind
        weight = by_kind[kind]
        if weight is None:
            continue
        if kind == FEEDBACK:
            has_feedback = True
            weight *= event.strength
        if by_time:
            factor = decay_between(event.timestamp_ms, now_ms, decay.half_life_ms)
        weighted = weight * factor
        if event.bundles and (offered := offered_in(event, events[:-age])):
            extra = (weights.bundle - weight) * factor
            total += extra
            _raise(event, offered, extra, products, categories)
        total += abs(weighted)
        counted += 1
        for product in event.products:
            products[product] = products.get(product, 0.0) + weighted
        shared = weighted if weighted >= 0 else DISLIKED_CATEGORY_SHARE * weighted
        theirs = event.categories
        for category in theirs if len(theirs) < 2 else dict.fromkeys(theirs):
            if category:
                categories[category] = categories.get(category, 0.0) + shared
                if weighted > 0:
                    visits[category] = visits.get(category, 0) + 1
        if not by_time:
            factor *= decay.factor
    disliked = _disliked(events) if has_feedback else _NOBODY
    return Interest(products, categories, total, disliked, visits, counted)


def offered_in(checkout: LoggedEvent, earlier: Sequence[LoggedEvent]) -> list[list[str]]:
    """Return those of a checkout's bundles that were offered.

    Offered is taken to be a bundle whose primary product the session had viewed, put into the cart or praised before: that
    depends on the events alone, in whichever order they came.
    """
    liked = {
        product
        for event in earlier
        if event.kind in (PRODUCT_VIEW, ADD_TO_CART) or (event.kind == FEEDBACK and event.strength > 0)
        for product in event.products
    }
    return [bundle for bundle in checkout.bundles if bundle[0] in liked]


def _raise(
    event: LoggedEvent, offered: list[list[str]], by: float, products: dict[str, float], categories: dict[str, float]
) -> None:
    """Raises the affinities to the products of the bundles, once each, and to each of their categories."""
    bundled = dict.fromkeys(product for bundle in offered for product in bundle)
    for product in bundled:
        products[product] = products.get(product, 0.0) + by
    theirs = (c for p, c in zip(event.products, event.categories, strict=True) if c and p in bundled)
    for category in dict.fromkeys(theirs):
        categories[category] = categories.get(category, 0.0) + by


def bought_in(events: Sequence[LoggedEvent]) -> set[str]:
    """Return the products of all checkouts."""
    return {product for event in events if event.kind == CHECKOUT for product in event.products}


def _disliked(events: Sequence[LoggedEvent]) -> frozenset[str]:
    newest = {product: event.strength for event in events if event.kind == FEEDBACK for product in event.products}
    return frozenset(product for product, strength in newest.items() if strength <= THUMB_DOWN)
