"""The profile written plainly, piece by piece and without compiled code: what the fast writer must equal to the byte."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.choosing.choice import base_weight, personal_weight
from state.configuration import Settings
from state.events.event import EVENT_TYPES
from state.feature_set import NAMES
from state.kernels import SMALLEST_ENGAGEMENT
from state.profile.bundle_proposals import Proposal
from state.profile.profile import CATEGORIES_AT_LEAST, CATEGORIES_LISTED, DIGITS, NO_EXTRAS, SCHEMA, ProfileExtras
from state.profile.profile_items import FEATURE_REASONS
from state.session.interest import Interest
from state.session.recent_events import LoggedEvent
from state.session.session import Session
from state.session.slate import Slate
from state.session.windows import WHOLE_SESSION, WINDOWS_MS

ITEMS_WITH_TWO_REASONS = 5
SCORE_BYTES = len('"score":0.123456,')
NO_ITEMS = msgspec.Raw(b"[]")

_CODES = tuple(FEATURE_REASONS)
_BY_PRODUCT = _CODES.index("product_affinity")
_BY_CATEGORY = _CODES.index("category_affinity")
_REASON_OF_FEATURE = [
    next((i for i, names in enumerate(FEATURE_REASONS.values()) if name in names), -1) for name in NAMES
]
_EXPLORATION = '{"code":"exploration","share":1.0}'
_GENERAL = '{"code":"general","share":1.0}'

Values = NDArray[np.float64]
Explained = tuple[float, int, float, int, float]


class Profile(msgspec.Struct):
    """The profile's JSON; the first four fields stand first, where a newer write is explained from an older one."""

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


def plain_profile(
    session_id: str,
    session: Session,
    slate: Slate,
    values: Values,
    theta: Values | None,
    interest: Interest,
    category_rating: dict[str, float],
    settings: Settings,
    offered: ProfileExtras = NO_EXTRAS,
) -> bytes:
    """See `build_profile`."""
    newest = session.recent.newest
    profile = Profile(
        schema=SCHEMA,
        generation=session.generation,
        version=session.applied,
        updated_at=session.updated_at_ms,
        session_id=session_id,
        event_time=newest.timestamp_ms if newest else 0,
        refresh_after_ms=settings.profile.refresh_after_ms,
        status=offered.status,
        policy=slate.policy,
        variant=slate.variant,
        model_version=slate.model_version,
        decision_id=slate.decision_id,
        score_data=NO_ITEMS,
        category_data=_category_data(interest, category_rating),
        bundled_discount_suggestions=_bundles(offered.bundles, settings.profile.max_bytes // 6),
        trending_recommendations=offered.trends,
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
    because, region = [offered.because.get(product, "") for product in slate.product_ids], session.region
    profile.score_data = score_data(slate, values, theta, interest, room, because, region)
    return msgspec.json.encode(profile)


def _bundles(bundles: Sequence[Proposal], most_bytes: int) -> list[dict[str, Any]]:
    plain: list[dict[str, Any]] = []
    for bundle in map(msgspec.to_builtins, bundles):
        if len(msgspec.json.encode([*plain, bundle])) < most_bytes:
            plain.append(bundle)
    return plain


def _last_event(newest: LoggedEvent | None) -> dict[str, Any] | None:
    if newest is None:
        return None
    return {"event_id": newest.event_id, "event_type": newest.event_type, "timestamp": newest.timestamp_ms}


def _category_data(interest: Interest, category_rating: dict[str, float]) -> list[dict[str, Any]]:
    liked = {category: value for category, value in interest.categories.items() if value > 0}
    shares = _largest(liked or category_rating, CATEGORIES_LISTED)
    total = sum(shares.values()) or 1.0
    return [{"category_id": category, "score": round(value / total, DIGITS)} for category, value in shares.items()]


def _largest(values: dict[str, float], limit: int) -> dict[str, float]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return {name: round(value, DIGITS) for name, value in ranked[:limit]}


def score_data(
    slate: Slate, values: Values, theta: Values | None, interest: Interest, room: int, because: list[str], region: str
) -> msgspec.Raw:
    """The slate's first items, as many as take at most `room` bytes, with scores that sum to 1 over them.

    `values` (k,) are the model's predictions for the slate's items and `theta` (d,) its coefficients, or (k, d) each item's own
    model's; None before there are any. Each item has one reason; the first few have a second one where there is room.
    """
    if not slate.product_ids:
        return NO_ITEMS
    explained = _explained(slate, values, theta, interest)
    ids = [msgspec.json.encode(product).decode() for product in slate.product_ids]
    texts = [_named_by(*entry, region) for entry in zip(slate.product_ids, slate.category_ids, because, strict=True)]
    tails: list[str] = []
    for i, (_, code, term, _, _) in enumerate(explained):
        reason = _EXPLORATION
        if not slate.explored[i]:
            reason = _reason(int(code), 1.0, texts[i]) if term > 0 else _GENERAL
        tail = _tail(slate, i, reason)
        room -= len(ids[i].encode()) + SCORE_BYTES + len(tail.encode()) + len('{"product_id":,,')
        if room < 0:
            break
        tails.append(tail)
    _add_second_reasons(tails, slate, explained, texts, room)
    return _joined(ids, [line[0] for line in explained[: len(tails)]], tails)


def _explained(slate: Slate, values: Values, theta: Values | None, interest: Interest) -> list[Explained]:
    """For each item its score, then twice a reason and the size of its terms, the largest first."""
    x = slate.matrix().astype(np.float64)
    base = base_weight(interest)
    by_product, by_category = personal_weight(slate.product_ids, slate.category_ids, interest).tolist()
    explained = []
    for i, (product, category) in enumerate(zip(by_product, by_category, strict=True)):
        product -= min(0.0, product + category + base)
        score = min(1.0, max(SMALLEST_ENGAGEMENT, float(values[i]))) * (base + product + category)
        terms = [0.0] * len(_CODES)
        if theta is not None and theta.shape[-1] == x.shape[1]:
            terms = _terms(x[i].tolist(), (theta if theta.ndim == 1 else theta[i]).tolist(), base)
        terms[_BY_PRODUCT] += max(0.0, product)
        terms[_BY_CATEGORY] += max(0.0, category)
        first, second = sorted(range(len(terms)), key=lambda reason: -terms[reason])[:2]
        explained.append((score, first, terms[first], second, terms[second]))
    return explained


def _terms(x: list[float], theta: list[float], base: float) -> list[float]:
    parts = [max(0.0, value * weight) for value, weight in zip(x, theta, strict=True)]
    terms = [0.0] * len(_CODES)
    total = 0.0
    for part, reason in zip(parts, _REASON_OF_FEATURE, strict=True):
        total += part
        if reason >= 0:
            terms[reason] += part
    return [term * (base / total) for term in terms] if total > 0 else terms


def _add_second_reasons(
    tails: list[str], slate: Slate, explained: list[Explained], texts: list[dict[str, str]], room: int
) -> None:
    for i in range(min(len(tails), ITEMS_WITH_TWO_REASONS)):
        _, code, term, next_code, next_term = explained[i]
        share = round(term / (term + max(0.0, next_term)), 2) if term > 0 else 1.0
        if slate.explored[i] or share >= 1:
            continue
        first = _reason(int(code), share, texts[i])
        second = _reason(int(next_code), round(1 - share, 2), texts[i])
        tail = _tail(slate, i, f"{first},{second}")
        room -= len(tail.encode()) - len(tails[i].encode())
        if room < 0:
            return
        tails[i] = tail


def _tail(slate: Slate, index: int, reasons: str) -> str:
    """An item's JSON behind its score."""
    explored = "true" if slate.explored[index] else "false"
    pinned = "true" if slate.pinned and slate.pinned[index] else "false"
    propensity = f"{slate.propensity[index]:.6f}"
    return f'"propensity":{propensity},"explored":{explored},"pinned":{pinned},"reasons":[{reasons}]}}'


def _named_by(product: str, category: str, cause: str, region: str) -> dict[str, str]:
    """What each code names, as JSON; nothing where that is empty."""

    def named(key: str, value: str) -> str:
        return f',"{key}":{msgspec.json.encode(value).decode()}' if value else ""

    return {
        "category_affinity": named("category_id", category),
        "product_affinity": f',"product_id":{msgspec.json.encode(product).decode()}',
        "goes_together": f',"product_id":{msgspec.json.encode(cause).decode()}' if cause else "",
        "popular_in_region": named("region", region),
        "trending": named("region", region),
    }


def _reason(reason: int, share: float, texts: dict[str, str]) -> str:
    code = _CODES[reason]
    return f'{{"code":"{code}","share":{share}{texts.get(code, "")}}}'


def _joined(ids: list[str], scores: list[float], tails: list[str]) -> msgspec.Raw:
    total = sum(scores)
    shares = [score / total for score in scores] if total > 0 else [1 / max(1, len(scores))] * len(scores)
    items = [
        f'{{"product_id":{product},"score":{_no_minus(share)},{tail}'
        for product, share, tail in zip(ids, shares, tails, strict=False)
    ]
    return msgspec.Raw(f"[{','.join(items)}]".encode())


def _no_minus(share: float) -> str:
    """Rounding of the personal terms may leave less than nothing."""
    return f"{share:.6f}".replace("-0.000000", "0.000000")


def window_counts(events: list[LoggedEvent]) -> dict[str, dict[str, int]]:
    newest_ms = events[-1].timestamp_ms if events else 0
    within = {name: [e for e in events if e.timestamp_ms > newest_ms - length] for name, length in WINDOWS_MS.items()}
    within[WHOLE_SESSION] = events
    return {name: dict(Counter(EVENT_TYPES[event.kind] for event in inside)) for name, inside in within.items()}
