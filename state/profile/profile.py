"""The profile that shops read from Redis."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from state.configuration import Settings
from state.profile.bundle_proposals import Proposal, as_listed
from state.profile.profile_items import NO_ITEMS, score_data
from state.session.interest import Interest, largest
from state.session.recent_events import LoggedEvent
from state.session.session import Session
from state.session.slate import Slate
from state.session.windows import window_counts

SCHEMA = 1
CATEGORIES_LISTED = 5
CATEGORIES_AT_LEAST = 3
BUNDLES_PART = 6
"""Bundles take at most a sixth of a profile's bytes, so that many or long ones leave room for the items."""
DIGITS = 4

Ranked = list[tuple[str, float]]

_encoder = msgspec.json.Encoder()


class ProfileExtras(msgspec.Struct, frozen=True):
    """Parts of a profile next to the choice: the session's `status`; `because`, with which of the session's products an item goes;
    and the proposals in the form that the profile gives them.
    """

    status: str = "cold"
    because: dict[str, str] = {}
    trends: list[dict[str, Any]] = []
    bundles: Sequence[Proposal] = ()


NO_EXTRAS = ProfileExtras()


class BeforeItems(msgspec.Struct, gc=False):
    """Fields before the items; the first four fields first, where a newer write is told from an older one."""

    schema: int
    generation: int
    version: int
    updated_at: int
    session_id: str
    event_time: int
    refresh_after_ms: int
    status: str
    policy: str
    variant: str
    model_version: int
    decision_id: str


class AfterItems(msgspec.Struct, gc=False):
    """Fields behind the items."""

    category_data: list[dict[str, Any]]
    bundled_discount_suggestions: Sequence[Proposal]
    trending_recommendations: list[dict[str, Any]]
    affinities: dict[str, dict[str, float]]
    windows: dict[str, dict[str, int]]
    counts: dict[str, int]
    last_event: dict[str, Any] | None


def build_profile(
    session_id: str,
    session: Session,
    slate: Slate,
    values: np.ndarray[Any, np.dtype[np.float64]],
    theta: np.ndarray[Any, np.dtype[np.float64]] | None,
    interest: Interest,
    category_rating: dict[str, float],
    settings: Settings,
    extras: ProfileExtras = NO_EXTRAS,
) -> bytes:
    """Return the profile's JSON, at most `profile.max_bytes`, of which bundles take no more than a part; items give way for what is
    left.

    `values` (k,) are the model's predictions for the slate's items and `theta` (d,) or (k, d) its coefficients, None before there
    are any. As affinities only those of the session itself are published, so that they are a function of its events.
    """
    before = _encoder.encode(_before_items(session_id, session, slate, settings, extras.status))
    rest = _after_items(session, interest, category_rating, settings, extras)
    if extras.bundles:
        rest.bundled_discount_suggestions = as_listed(extras.bundles, settings.profile.max_bytes // BUNDLES_PART)
    after = _encoder.encode(rest)
    room = settings.profile.max_bytes - _AROUND_ITEMS - len(before) - len(after)
    if room < 0:
        rest.category_data = rest.category_data[:CATEGORIES_AT_LEAST]
        after = _encoder.encode(rest)
        room = settings.profile.max_bytes - _AROUND_ITEMS - len(before) - len(after)
    return _joined(before, score_data(slate, values, theta, interest, room, extras.because, session.region), after)


def _joined(before: bytes, items: bytes, after: bytes) -> bytes:
    return b"".join((before[:-1], b',"score_data":', items, b",", after[1:]))


def _before_items(session_id: str, session: Session, slate: Slate, settings: Settings, status: str) -> BeforeItems:
    newest = session.recent.newest
    return BeforeItems(
        schema=SCHEMA,
        generation=session.generation,
        version=session.applied,
        updated_at=session.updated_at_ms,
        session_id=session_id,
        event_time=newest.timestamp_ms if newest else 0,
        refresh_after_ms=settings.profile.refresh_after_ms,
        status=status,
        policy=slate.policy,
        variant=slate.variant,
        model_version=slate.model_version,
        decision_id=slate.decision_id,
    )


def _after_items(
    session: Session, interest: Interest, category_rating: dict[str, float], settings: Settings, extras: ProfileExtras
) -> AfterItems:
    limit = settings.profile.affinities
    categories = largest(interest.categories, max(limit, CATEGORIES_LISTED))
    own = interest.own or interest
    liked = [(category, value) for category, value in categories if value > 0]
    return AfterItems(
        category_data=category_shares((liked or largest(category_rating, CATEGORIES_LISTED))[:CATEGORIES_LISTED]),
        bundled_discount_suggestions=[],
        trending_recommendations=extras.trends,
        affinities={
            "products": _rounded(largest(own.products, limit)),
            "categories": _rounded(categories[:limit] if own is interest else largest(own.categories, limit)),
        },
        windows=window_counts(session.recent.events),
        counts={"applied": session.applied, "duplicates": session.duplicates, "dropped": session.dropped},
        last_event=_last_event(session.recent.newest),
    )


def _last_event(newest: LoggedEvent | None) -> dict[str, Any] | None:
    if newest is None:
        return None
    return {"event_id": newest.event_id, "event_type": newest.event_type, "timestamp": newest.timestamp_ms}


def category_shares(categories: Ranked) -> list[dict[str, Any]]:
    """Return categories with their shares of the sum, in the profile's form."""
    shares = _rounded(categories)
    total = sum(shares.values()) or 1.0
    return [{"category_id": category, "score": round(value / total, DIGITS)} for category, value in shares.items()]


def _rounded(ranked: Ranked) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in ranked}


_AROUND_ITEMS = len(_joined(b"{}", NO_ITEMS, b"{}")) - len(b"{}{}")
"""Bytes of a profile that are in neither part, where it has no items."""
