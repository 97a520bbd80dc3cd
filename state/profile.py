"""The profile that shops read from Redis."""

from typing import Any

import msgspec
import numpy as np

from state.choice import base_weight, engagement, personal_weight
from state.configuration import Settings
from state.features import NAMES
from state.interest import Interest
from state.recent_events import LoggedEvent
from state.session import Session
from state.slate import Slate
from state.windows import window_counts

SCHEMA = 1
ITEMS_WITH_TWO_REASONS = 5
CATEGORIES_LISTED = 5
ITEM_BYTES = len(
    '{"product_id":"","score":0.123456,"propensity":0.123456,"explored":false,"pinned":false,"reasons":[]},'
)
DIGITS = 4
SCORE_DIGITS = 6

# Which features of the model stand for which reason that a visitor could be told.
FEATURE_REASONS = {
    "well_rated": ("rating", "reviews"),
    "popular": ("rate_log_ratio",),
    "new_arrival": ("novelty",),
    "price_match": ("price_match", "dearness_times_usual", "dearness_match"),
    "category_affinity": (
        "category_share",
        "category_known",
        "rate_times_category_share",
        "last_category",
        "taste",
        "taste_root",
        "rating_times_taste",
        "dearness_times_taste",
    ),
    "product_affinity": ("product_affinity", "product_seen"),
}
REASON_CODES = (*FEATURE_REASONS, "general", "exploration")
"""The closed set of reason codes."""

_CODES = tuple(FEATURE_REASONS)
_BY_PRODUCT = _CODES.index("product_affinity")
_BY_CATEGORY = _CODES.index("category_affinity")
_REASON_OF_FEATURE = np.array(
    [[name in names for names in FEATURE_REASONS.values()] for name in NAMES], dtype=np.float64
)


class Why(msgspec.Struct, omit_defaults=True):
    """A reason with its share of the score's positive terms, and what a sentence about it needs."""

    code: str
    share: float
    category_id: str | None = None
    product_id: str | None = None


class Item(msgspec.Struct):
    """An item of `score_data`."""

    product_id: str
    score: float
    propensity: float
    explored: bool
    pinned: bool
    reasons: list[Why]


_EXPLORATION = [Why("exploration", 1.0)]
_GENERAL = [Why("general", 1.0)]


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
    score_data: list[Item]
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
        score_data=[],
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
    profile.score_data = _score_data(slate, values, theta, interest, room)
    return _fitted(profile, settings.profile.max_bytes)


def _last_event(newest: LoggedEvent | None) -> dict[str, Any] | None:
    if newest is None:
        return None
    return {"event_id": newest.event_id, "event_type": newest.event_type, "timestamp": newest.timestamp_ms}


def _status(events: int, settings: Settings) -> str:
    if events >= settings.session.active_after:
        return "active"
    return "warming" if events >= settings.session.warming_after else "cold"


def _score_data(slate: Slate, values: Any, theta: Any, interest: Interest, room: int) -> list[Item]:
    """The slate's first items, as many as fit into about `room` bytes, with scores that sum to 1 over them."""
    if not slate.product_ids:
        return []
    base = base_weight(interest)
    personal = personal_weight(slate.product_ids, slate.category_ids, interest)
    ranked, terms = _largest_terms(_contributions(slate, theta, base, personal))
    reasons = _reasons_within(room, slate, ranked, terms)
    k = len(reasons)
    scores = engagement(values[:k]) * (base + personal.sum(axis=0)[:k])
    total = scores.sum()
    shares = scores / total if total > 0 else np.full(k, 1 / max(1, k))
    propensity = np.round(slate.propensity[:k], SCORE_DIGITS).tolist()
    return [
        Item(product, score, probability, explored, pinned, why)
        for product, score, probability, explored, pinned, why in zip(
            slate.product_ids,
            np.round(shares, SCORE_DIGITS).tolist(),
            propensity,
            slate.explored,
            slate.pinned or [False] * k,
            reasons,
            strict=False,
        )
    ]


def _largest_terms(contributions: Any) -> tuple[list[list[int]], list[list[float]]]:
    """The two largest terms of each item: their reasons and their sizes."""
    ranked = np.argsort(-contributions, axis=1, kind="stable")[:, :2]
    return ranked.tolist(), np.take_along_axis(contributions, ranked, axis=1).tolist()


def _contributions(slate: Slate, theta: Any, base: float, personal: Any) -> Any:
    """Positive terms of each item's score, (k, reasons): the model's share of the base, and the affinities."""
    terms = np.zeros((len(slate.product_ids), len(FEATURE_REASONS)))
    x = slate.matrix()
    if theta is not None and x.shape[1:] == theta.shape[-1:]:
        parts = np.maximum(0.0, x.astype(np.float64) * theta)
        sums = parts.sum(axis=1)
        terms = parts @ _REASON_OF_FEATURE * (base / np.where(sums > 0, sums, 1.0))[:, None]
    terms[:, _BY_PRODUCT] += np.maximum(0.0, personal[0])
    terms[:, _BY_CATEGORY] += np.maximum(0.0, personal[1])
    return terms


def _reasons_within(room: int, slate: Slate, ranked: list[list[int]], terms: list[list[float]]) -> list[list[Why]]:
    """Reasons of the first items, as many as fit: first one for each item, then a second one for the first few."""
    found: list[list[Why]] = []
    for i, (product, category) in enumerate(zip(slate.product_ids, slate.category_ids, strict=True)):
        why = _EXPLORATION if slate.explored[i] else _GENERAL
        if not slate.explored[i] and terms[i][0] > 0:
            why = [_why(ranked[i][0], 1.0, product, category)]
        room -= ITEM_BYTES + len(product) + _width(why[0])
        if room < 0:
            break
        found.append(why)
    for i in range(min(len(found), ITEMS_WITH_TWO_REASONS)):
        largest, next_largest = terms[i]
        share = round(largest / (largest + max(0.0, next_largest)), 2) if largest > 0 else 1.0
        if slate.explored[i] or share >= 1:
            continue
        second = _why(ranked[i][1], round(1 - share, 2), slate.product_ids[i], slate.category_ids[i])
        room -= _width(second)
        if room < 0:
            break
        found[i] = [_why(ranked[i][0], share, slate.product_ids[i], slate.category_ids[i]), second]
    return found


def _width(why: Why) -> int:
    """A reason's bytes in JSON, a few more than it takes."""
    named = 18 + len(why.category_id or why.product_id or "") if why.category_id or why.product_id else 0
    return 26 + len(why.code) + named


def _why(reason: int, share: float, product: str, category: str) -> Why:
    if reason == _BY_CATEGORY and category:
        return Why(_CODES[reason], share, category_id=category)
    return Why(_CODES[reason], share, product_id=product) if reason == _BY_PRODUCT else Why(_CODES[reason], share)


def _category_data(interest: Interest, category_rating: dict[str, float]) -> list[dict[str, Any]]:
    liked = {category: value for category, value in interest.categories.items() if value > 0}
    shares = _largest(liked or category_rating, CATEGORIES_LISTED)
    total = sum(shares.values())
    return [{"category_id": category, "score": round(value / total, DIGITS)} for category, value in shares.items()]


def _largest(values: dict[str, float], limit: int) -> dict[str, float]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(value, DIGITS) for name, value in ranked[:limit]}


def _fitted(profile: Profile, max_bytes: int) -> bytes:
    """Leaves out categories beyond three, then the list's tail, where ids with escapes made it larger than was foreseen."""
    data = msgspec.json.encode(profile)
    if len(data) <= max_bytes:
        return data
    profile.category_data = profile.category_data[:3]
    data = msgspec.json.encode(profile)
    while len(data) > max_bytes and profile.score_data:
        excess = len(data) - max_bytes
        size = len(msgspec.json.encode(profile.score_data)) // len(profile.score_data)
        del profile.score_data[-max(1, excess // size) :]
        _normalise(profile.score_data)
        data = msgspec.json.encode(profile)
    return data


def _normalise(score_data: list[Item]) -> None:
    total = sum(item.score for item in score_data)
    for item in score_data:
        item.score = round(item.score / total, SCORE_DIGITS) if total > 0 else 1 / len(score_data)
