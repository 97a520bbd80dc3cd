"""Why a session's list is what it is: what its events add up to, what could be shown, and what was left out and why.

What is told of candidates is worked out anew with the newest model. Lists are drawn at random, so probabilities are told, from
lists that are drawn here, and no list is repeated.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from state.candidates.sources.shelf import Shelf
from state.choosing.choice import Chooser
from state.choosing.features import Context
from state.configuration import Decay, Weights
from state.configuration import Session as SessionRules
from state.decay import decay_between
from state.explaining.contenders import Contender, by_reason, contenders
from state.explaining.left_out import LeftOut, left_out
from state.session.activation import NEWEST_COMPARED, matches
from state.session.interest import CATEGORY_VIEW, interest, weight_of
from state.session.recent_events import LoggedEvent
from state.session.session import Session
from state.session.slate import Slate

DIGITS = 4


class UsedEvent(msgspec.Struct, frozen=True):
    """Event of those that a session's affinities are sums of: its `weight`, 0 where its type does not count, times its `decay`, and
    what the affinities would lose without it, by product and by category."""

    event_id: str
    event_type: str
    timestamp: int
    products: list[str]
    categories: list[str]
    weight: float
    decay: float
    to_products: dict[str, float]
    to_categories: dict[str, float]


class Acquaintance(msgspec.Struct, frozen=True):
    """The numbers that a session's status goes by, and what each must reach."""

    events: int
    warming_after: int
    active_after: int
    products_and_categories: int
    active_variety: int
    matching_products: int
    active_match: int


class Difference(msgspec.Struct, frozen=True):
    """A figure of the published profile that came out otherwise here."""

    what: str
    published: Any
    rebuilt: Any


class Explanation(msgspec.Struct, frozen=True):
    """Knowledge of a session as of now.

    `products` and `categories` are its own affinities; `from_user` is added to those of categories in a choice, by what is
    known of the user from elsewhere, {} for nothing. `sources` counts the candidates by where they came from.
    """

    region: str
    moment: list[str]
    user_known: bool
    from_user: dict[str, float]
    acquaintance: Acquaintance
    events: list[UsedEvent]
    products: dict[str, float]
    categories: dict[str, float]
    contenders: list[Contender]
    sources: dict[str, int]
    left_out: list[LeftOut]
    slate_terms: dict[str, dict[str, float]]


def explain(
    session: Session,
    context: Context,
    chooser: Chooser,
    slate: Slate | None = None,
    asked: Sequence[str] = (),
) -> Explanation:
    """Explain a session of which `context` is what it brings to a choice, under the chooser of its variant.

    `slate` is the published one with its features, None where they are not known; `asked` are products of which is told in any
    case.
    """
    settings = chooser.settings
    weights, decay = settings.reward.weights, settings.session.decay
    own = interest(session.recent.events, weights, decay)
    considered = chooser.consider(context, settings.candidates.max)
    found = contenders(chooser, considered)
    return Explanation(
        region=session.region,
        moment=session.moment,
        user_known=bool(session.user),
        from_user=_lost(context.interest.categories, own.categories),
        acquaintance=acquaintance(session.recent.events, settings.session, chooser.shelf),
        events=used_events(session.recent.events, weights, decay),
        products=own.products,
        categories=own.categories,
        contenders=found,
        sources=dict(Counter(contender.source for contender in found)),
        left_out=left_out(session, context, chooser, considered, asked),
        slate_terms={} if slate is None else slate_terms(chooser, slate),
    )


def used_events(events: Sequence[LoggedEvent], weights: Weights, decay: Decay) -> list[UsedEvent]:
    """Return the events of a session, oldest first as they come, with what each contributes: newest first."""
    whole = interest(events, weights, decay)
    newest_ms = events[-1].timestamp_ms if events else 0
    used: list[UsedEvent] = []
    counted = 0
    for at in reversed(range(len(events))):
        event = events[at]
        weight = weight_of(event, weights)
        factor = decay.factor**counted
        if decay.mode == "half_life":
            factor = decay_between(event.timestamp_ms, newest_ms, decay.half_life_ms)
        counted += weight is not None
        empty = LoggedEvent(event.timestamp_ms, event.identity, CATEGORY_VIEW, [], [])
        less = interest([*events[:at], empty, *events[at + 1 :]], weights, decay) if weight else whole
        used.append(
            UsedEvent(
                event.event_id,
                event.event_type,
                event.timestamp_ms,
                event.products,
                event.categories,
                weight or 0.0,
                factor,
                _lost(whole.products, less.products),
                _lost(whole.categories, less.categories),
            )
        )
    return used


def _lost(whole: Mapping[str, float], less: Mapping[str, float]) -> dict[str, float]:
    lost = {name: value - less.get(name, 0.0) for name, value in whole.items()}
    return {name: round(value, 6) for name, value in lost.items() if abs(value) > 1e-9}


def acquaintance(events: Sequence[LoggedEvent], rules: SessionRules, shelf: Shelf) -> Acquaintance:
    """Return the numbers that `status_of` decides by."""
    products = list(dict.fromkeys(product for event in reversed(events) for product in event.products))
    categories = {category for event in events for category in event.categories if category}
    return Acquaintance(
        len(events),
        rules.warming_after,
        rules.active_after,
        len(products) + len(categories),
        rules.active_variety,
        matches(products[:NEWEST_COMPARED], shelf.together.viewed_with),
        rules.active_match,
    )


def slate_terms(chooser: Chooser, slate: Slate) -> dict[str, dict[str, float]]:
    """Return, for a slate with its features, what each item's features are worth by the newest model, by reason, see
    `by_reason`."""
    theta = chooser.coefficients(slate)
    x = slate.matrix().astype(np.float64) if slate.product_ids else np.zeros((0, 0))
    if theta is None or x.shape[1:] != theta.shape[-1:]:
        return {}
    return dict(zip(slate.product_ids, (by_reason(row) for row in x * theta), strict=True))


def differences(profile: Mapping[str, Any], session: Session, weights: Weights, decay: Decay) -> list[Difference]:
    """Return where the session, as it was rebuilt, differs from its published profile."""
    found: list[Difference] = []

    def compare(what: str, published: Any, rebuilt: Any) -> None:
        if published != rebuilt:
            found.append(Difference(what, published, rebuilt))

    newest = session.recent.newest
    counts = profile.get("counts") or {}
    compare("generation", profile.get("generation"), session.generation)
    compare("applied", counts.get("applied"), session.applied)
    compare("duplicates", counts.get("duplicates"), session.duplicates)
    compare("dropped", counts.get("dropped"), session.dropped)
    compare("event_time", profile.get("event_time"), newest.timestamp_ms if newest else 0)
    own = interest(session.recent.events, weights, decay)
    published = profile.get("affinities") or {}
    for kind, rebuilt in (("products", own.products), ("categories", own.categories)):
        theirs = published.get(kind) or {}
        for name, value in theirs.items():
            ours = rebuilt.get(name)
            compare(f"affinity {name}", value, None if ours is None else round(ours, DIGITS))
        for name in _unlisted(theirs, rebuilt):
            compare(f"affinity {name}", None, round(rebuilt[name], DIGITS))
    return found


def _unlisted(published: Mapping[str, float], rebuilt: Mapping[str, float]) -> list[str]:
    """What the profile would list as well: where it lists fewer, all of it; else what is larger than its smallest."""
    least = min(published.values(), default=0.0)
    is_full = len(published) < len(rebuilt) and len(published) > 0
    return [
        name
        for name, value in rebuilt.items()
        if name not in published and (not is_full or round(value, DIGITS) > least)
    ]
