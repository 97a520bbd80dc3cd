"""Sections of what is counted over all sessions: popularity, what goes together, and users."""

from typing import Annotated, Literal

from msgspec import Meta

from state.configuration.types import HOUR_MS, MINUTE_MS, Fraction, Millis, NonNegative, PositiveMillis, Section


class Popularity(Section, frozen=True):
    """Regional windows; their allowed lateness is also the watermark's delay."""

    window_ms: Annotated[int, Meta(ge=1_000, le=7 * 24 * HOUR_MS)] = HOUR_MS
    slide_ms: Annotated[int, Meta(ge=1_000, le=24 * HOUR_MS)] = MINUTE_MS
    allowed_lateness_ms: Millis = MINUTE_MS
    counts: Literal["views", "purchases"] = "views"
    top: Annotated[int, Meta(ge=1, le=200)] = 50
    tracked: Annotated[int, Meta(ge=1, le=2_000)] = 200
    trend: Literal["rise", "count"] = "rise"
    trend_support: Annotated[int, Meta(ge=1, le=10**9)] = 20
    trend_significance: NonNegative = 3.0
    max_regions: Annotated[int, Meta(ge=2, le=100_000)] = 1_000
    max_categories: Annotated[int, Meta(ge=2, le=100_000)] = 10_000
    admission_support: Annotated[int, Meta(ge=1, le=10**9)] = 20
    baseline_half_life_ms: PositiveMillis = 24 * HOUR_MS
    moments_half_life_ms: PositiveMillis = 30 * 24 * HOUR_MS


class Together(Section, frozen=True):
    """Settings of what is bought and viewed together."""

    half_life_ms: PositiveMillis = 30 * 24 * HOUR_MS
    support: NonNegative = 3.0
    lift: NonNegative = 1.2
    listed: Annotated[int, Meta(ge=1, le=50)] = 10
    tracked: Annotated[int, Meta(ge=1, le=200)] = 40
    max_products: Annotated[int, Meta(ge=1, le=5_000_000)] = 50_000
    max_counted: Annotated[int, Meta(ge=1, le=100_000_000)] = 2_000_000
    gather_ms: Annotated[int, Meta(ge=50, le=MINUTE_MS)] = 500
    max_pairs: Annotated[int, Meta(ge=1, le=1_000_000)] = 4_000
    shards: Annotated[int, Meta(ge=1, le=64)] = 1


class Users(Section, frozen=True):
    """Settings of what is kept of a person over sessions and channels."""

    half_life_ms: PositiveMillis = 14 * 24 * HOUR_MS
    ttl_ms: PositiveMillis = 365 * 24 * HOUR_MS
    listed: Annotated[int, Meta(ge=1, le=500)] = 100
    gather_ms: Annotated[int, Meta(ge=10, le=MINUTE_MS)] = 500
    weight: Fraction = 0.5
