"""The profile that shops read from Redis."""

from typing import Any

import msgspec
import numpy as np

from state.configuration import Settings
from state.interest import Interest
from state.profile_items import NO_ITEMS, score_data
from state.recent_events import LoggedEvent
from state.session import Session
from state.slate import Slate
from state.windows import window_counts

SCHEMA = 1
CATEGORIES_LISTED = 5
CATEGORIES_AT_LEAST = 3
DIGITS = 4


class Profile(msgspec.Struct):
    """The profile's JSON; the first four fields stand first, where a newer write is told from an older one."""

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
    score_data: msgspec.Raw
    category_data: list[dict[str, Any]]
    bundled_discount_suggestions: list[dict[str, Any]]
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
) -> bytes:
    """The profile's JSON, at most `profile.max_bytes`.

    `values` (k,) are the model's predictions for the slate's items and `theta` (d,) or (k, d) its coefficients, None before there
    are any.
    """
    newest = session.recent.newest
    profile = Profile(
        schema=SCHEMA,
        generation=session.generation,
        version=session.applied,
        updated_at=session.updated_at_ms,
        session_id=session_id,
        event_time=newest.timestamp_ms if newest else 0,
        refresh_after_ms=settings.profile.refresh_after_ms,
        status=_status(len(session.recent.events), settings),
        policy=slate.policy,
        variant=slate.variant,
        model_version=slate.model_version,
        decision_id=slate.decision_id,
        score_data=NO_ITEMS,
        category_data=_category_data(interest, category_rating),
        bundled_discount_suggestions=[],
        trending_recommendations=[],
        affinities={
            "products": _largest(interest.products, settings.profile.affinities),
            "categories": _largest(interest.categories, settings.profile.affinities),
        },
        windows=window_counts(session.recent.events),
        counts={"applied": session.applied, "duplicates": session.duplicates, "dropped": session.dropped},
        last_event=_last_event(newest),
    )
    room = settings.profile.max_bytes - len(msgspec.json.encode(profile))
    if room < 0:
        profile.category_data = profile.category_data[:CATEGORIES_AT_LEAST]
        room = settings.profile.max_bytes - len(msgspec.json.encode(profile))
    profile.score_data = score_data(slate, values, theta, interest, room)
    return msgspec.json.encode(profile)


def _last_event(newest: LoggedEvent | None) -> dict[str, Any] | None:
    if newest is None:
        return None
    return {"event_id": newest.event_id, "event_type": newest.event_type, "timestamp": newest.timestamp_ms}


def _status(events: int, settings: Settings) -> str:
    if events >= settings.session.active_after:
        return "active"
    return "warming" if events >= settings.session.warming_after else "cold"


def _category_data(interest: Interest, category_rating: dict[str, float]) -> list[dict[str, Any]]:
    liked = {category: value for category, value in interest.categories.items() if value > 0}
    shares = _largest(liked or category_rating, CATEGORIES_LISTED)
    total = sum(shares.values())
    return [{"category_id": category, "score": round(value / total, DIGITS)} for category, value in shares.items()]


def _largest(values: dict[str, float], limit: int) -> dict[str, float]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(value, DIGITS) for name, value in ranked[:limit]}
