"""Sections of what comes in and is kept of a session: events, session, consent."""

from typing import Annotated, Literal

from msgspec import Meta

from state.configuration.types import HOUR_MS, MINUTE_MS, Millis, OpenFraction, PositiveMillis, Section


class Events(Section, frozen=True):
    """Settings of what is accepted from `user_interactions`."""

    allowed_lateness_ms: PositiveMillis = 48 * HOUR_MS
    max_future_ms: Millis = 5 * MINUTE_MS
    max_bytes: Annotated[int, Meta(ge=256, le=1_048_576)] = 65_536
    idle_timeout_ms: PositiveMillis = 5_000
    dead_letters_per_second: Annotated[int, Meta(ge=1, le=1_000_000)] | None = 2_000
    salt_file: str = ""


class Decay(Section, frozen=True):
    """Settings of how the weight of an older event falls."""

    mode: Literal["step", "half_life"] = "step"
    factor: OpenFraction = 0.9
    half_life_ms: PositiveMillis = 30 * MINUTE_MS


class Session(Section, frozen=True):
    """A visitor's session."""

    ttl_ms: PositiveMillis = 48 * HOUR_MS
    max_events: Annotated[int, Meta(ge=2, le=1_000)] = 128
    decay: Decay = Decay()
    warming_after: Annotated[int, Meta(ge=1, le=1_000)] = 2
    active_after: Annotated[int, Meta(ge=1, le=1_000)] = 6
    active_variety: Annotated[int, Meta(ge=1, le=100)] = 2
    active_match: Annotated[int, Meta(ge=1, le=100)] = 3


class Consent(Section, frozen=True):
    """Setting that holds for a session that has not said."""

    default: Literal["granted", "denied"] = "granted"
