"""How what is known of a user enters a session's choice: as views that the session did not make, which count less and less."""

from msgspec import structs

from state.configuration import Weights
from state.session.hint import Hint
from state.session.interest import Interest

PRIOR_VIEWS = 10
"""What is known of a user weighs at most as much as so many product views: what a session of many comes to under the paper's
decay, 1 / (1 - 0.9)."""
PRIOR_EVENTS = 6
"""After so many events of its own, what is known from elsewhere counts half."""


def warmed(own: Interest, hint: Hint, weights: Weights, share: float) -> Interest:
    """Return the interest to choose by: the session's own, as if it had begun with m product views spread as the user's affinities
    are.

    The user's sums P are scaled by m v / T, where T is their total, v the weight of a product view, and

        m = share · min(T / v, 10) · 6 / (6 + n)

    with n the session's own counted events and `share` the configured `users.weight`. So a user of whom little is known, or long
    ago, moves little; and the influence falls smoothly with each event.
    """
    if not share or hint.total <= 0:
        return structs.replace(own, own=own, listed=hint.items)
    view = weights.product_view or 1.0
    views = share * min(hint.total / view, PRIOR_VIEWS) * PRIOR_EVENTS / (PRIOR_EVENTS + own.events)
    scale = views * view / hint.total
    return Interest(
        _sum(own.products, hint.products, scale),
        _sum(own.categories, hint.categories, scale),
        own.total + scale * hint.total,
        own.disliked,
        _sum(own.visits, hint.categories, scale / view),
        own.events,
        own,
        hint.items,
    )


def _sum(own: dict[str, float], prior: dict[str, float], scale: float) -> dict[str, float]:
    """The session's own come first, as they do without."""
    mixed = dict(own)
    for name, value in prior.items():
        mixed[name] = mixed.get(name, 0.0) + scale * value
    return mixed
