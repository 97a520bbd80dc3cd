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
REASONS_PER_ITEM = 2
DIGITS = 4
SCORE_DIGITS = 6

# Which features of the model stand for which reason that a visitor could be told.
FEATURE_REASONS = {
    "well_rated": ("rating", "reviews"),
    "popular": ("rate_log_ratio",),
    "new_arrival": ("novelty",),
    "price_match": ("price_match",),
    "category_affinity": ("category_share", "category_known", "rate_times_category_share", "last_category"),
    "product_affinity": ("product_affinity", "product_seen"),
}
REASON_COLUMNS = {code: [NAMES.index(name) for name in names] for code, names in FEATURE_REASONS.items()}
REASON_CODES = (*FEATURE_REASONS, "general", "exploration")
"""The closed set of reason codes."""


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
    score_data: list[dict[str, Any]]
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

    `values` (k,) are the model's predictions for the slate's items and `theta` (d,) its coefficients, None before there are any.
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
        score_data=_score_data(slate, values, theta, interest),
        category_data=_category_data(interest, category_rating, settings.profile.affinities),
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
    return _fitted(profile, settings.profile.max_bytes)


def _last_event(newest: LoggedEvent | None) -> dict[str, Any] | None:
    if newest is None:
        return None
    return {"event_id": newest.event_id, "event_type": newest.event_type, "timestamp": newest.timestamp_ms}


def _status(events: int, settings: Settings) -> str:
    if events >= settings.session.active_after:
        return "active"
    return "warming" if events >= settings.session.warming_after else "cold"


def _score_data(slate: Slate, values: Any, theta: Any, interest: Interest) -> list[dict[str, Any]]:
    if not slate.product_ids:
        return []
    base = base_weight(interest)
    personal = personal_weight(slate.product_ids, slate.category_ids, interest)
    scores = engagement(values) * (base + personal.sum(axis=0))
    total = scores.sum()
    scores = scores / total if total > 0 else np.full(len(scores), 1 / len(scores))
    contributions = _contributions(slate, theta, base, personal)
    return [
        {
            "product_id": product,
            "score": round(score, SCORE_DIGITS),
            "propensity": round(propensity, SCORE_DIGITS),
            "explored": explored,
            "pinned": False,
            "reasons": [{"code": "exploration", "share": 1.0}]
            if explored
            else _reasons(contributions[:, i], product, category),
        }
        for i, (product, category, score, propensity, explored) in enumerate(
            zip(slate.product_ids, slate.category_ids, scores.tolist(), slate.propensity, slate.explored, strict=True)
        )
    ]


def _contributions(slate: Slate, theta: Any, base: float, personal: Any) -> Any:
    """Positive terms of each item's score, (reasons, k): the model's share of the base, and the affinities."""
    terms = np.zeros((len(FEATURE_REASONS), len(slate.product_ids)))
    x = slate.matrix()
    if theta is not None and x.shape[1:] == theta.shape:
        parts = np.maximum(0.0, x.astype(np.float64) * theta)
        for row, columns in enumerate(REASON_COLUMNS.values()):
            terms[row] = parts[:, columns].sum(axis=1)
        sums = parts.sum(axis=1)
        terms *= base / np.where(sums > 0, sums, 1.0)
    codes = list(FEATURE_REASONS)
    terms[codes.index("product_affinity")] += np.maximum(0.0, personal[0])
    terms[codes.index("category_affinity")] += np.maximum(0.0, personal[1])
    return terms


def _reasons(terms: Any, product: str, category: str) -> list[dict[str, Any]]:
    """The largest terms as shares that sum to 1; `general` where only the model's constant speaks."""
    ranked = sorted(
        ((term, code) for term, code in zip(terms.tolist(), FEATURE_REASONS, strict=True) if term > 0), reverse=True
    )
    ranked = ranked[:REASONS_PER_ITEM]
    total = sum(term for term, _ in ranked)
    if total <= 0:
        return [{"code": "general", "share": 1.0}]
    reasons: list[dict[str, Any]] = []
    left = 1.0
    for index, (term, code) in enumerate(ranked):
        share = round(left if index == len(ranked) - 1 else term / total, 2)
        left -= share
        reason: dict[str, Any] = {"code": code}
        if code == "category_affinity" and category:
            reason["category_id"] = category
        elif code == "product_affinity":
            reason["product_id"] = product
        reasons.append({**reason, "share": share})
    return [reason for reason in reasons if reason["share"] > 0]


def _category_data(interest: Interest, category_rating: dict[str, float], limit: int) -> list[dict[str, Any]]:
    liked = {category: value for category, value in interest.categories.items() if value > 0}
    shares = _largest(liked or category_rating, limit)
    total = sum(shares.values())
    return [{"category_id": category, "score": round(value / total, DIGITS)} for category, value in shares.items()]


def _largest(values: dict[str, float], limit: int) -> dict[str, float]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(value, DIGITS) for name, value in ranked[:limit]}


def _fitted(profile: Profile, max_bytes: int) -> bytes:
    """Leaves out, as long as it is too large: second reasons, categories beyond three, then the list's tail."""
    data = msgspec.json.encode(profile)
    if len(data) <= max_bytes:
        return data
    for item in profile.score_data:
        item["reasons"] = [{**item["reasons"][0], "share": 1.0}]
    data = msgspec.json.encode(profile)
    if len(data) > max_bytes:
        profile.category_data = profile.category_data[:3]
        data = msgspec.json.encode(profile)
    while len(data) > max_bytes and profile.score_data:
        excess = len(data) - max_bytes
        size = len(msgspec.json.encode(profile.score_data)) // len(profile.score_data)
        del profile.score_data[-max(1, excess // size) :]
        _normalise(profile.score_data)
        data = msgspec.json.encode(profile)
    return data


def _normalise(score_data: list[dict[str, Any]]) -> None:
    total = sum(item["score"] for item in score_data)
    for item in score_data:
        item["score"] = round(item["score"] / total, SCORE_DIGITS) if total > 0 else 1 / len(score_data)
