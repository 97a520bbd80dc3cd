"""Sections of what is chosen from and published: candidates, catalogue, profile and overload, bundles."""

from typing import Annotated

from msgspec import Meta

from state.configuration.types import HOUR_MS, MINUTE_MS, NonNegative, PositiveMillis, Section


class Sources(Section, frozen=True):
    """The weight of each source of candidates; 0 turns it off."""

    own: NonNegative = 2.0
    best_rated: NonNegative = 2.0
    expected: NonNegative = 2.0
    most_viewed: NonNegative = 1.0
    newest: NonNegative = 1.0
    popular: NonNegative = 1.0
    trending: NonNegative = 0.5
    bought_together: NonNegative = 1.0
    viewed_together: NonNegative = 1.0
    bundles: NonNegative = 0.5
    user_lists: NonNegative = 1.0
    anywhere: NonNegative = 1.0


class Candidates(Section, frozen=True):
    """Settings of what the bandit chooses from."""

    max: Annotated[int, Meta(ge=1, le=500)] = 100
    per_category: Annotated[int, Meta(ge=1, le=1_000)] = 300
    newest_per_category: Annotated[int, Meta(ge=0, le=1_000)] = 50
    max_products: Annotated[int, Meta(ge=1, le=5_000_000)] = 200_000
    sources: Sources = Sources()


class Catalogue(Section, frozen=True):
    """Settings of how the job holds the shop's products."""

    shards: Annotated[int, Meta(ge=1, le=1_024)] = 16
    gather_ms: Annotated[int, Meta(ge=10, le=2_000)] = 200
    publish_interval_ms: Annotated[int, Meta(ge=10, le=MINUTE_MS)] = 1_000


class Profile(Section, frozen=True):
    """Settings of what is published."""

    items: Annotated[int, Meta(ge=1, le=20)] = 20
    max_bytes: Annotated[int, Meta(ge=1_024, le=65_536)] = 4_096
    refresh_after_ms: PositiveMillis = 30_000
    min_interval_ms: Annotated[int, Meta(ge=0, le=MINUTE_MS)] = 20
    affinities: Annotated[int, Meta(ge=1, le=128)] = 10
    trends: Annotated[int, Meta(ge=0, le=20)] = 5
    bundles: Annotated[int, Meta(ge=0, le=20)] = 3


class Overload(Section, frozen=True):
    """Settings of what is left out per event while the job is behind; see `state/choosing/overload.py`."""

    spacing_after_ms: PositiveMillis = 2_000
    spacing_ms: Annotated[int, Meta(ge=0, le=MINUTE_MS)] = 2_000
    fewer_candidates_after_ms: PositiveMillis = 5_000
    candidates: Annotated[int, Meta(ge=1, le=500)] = 30
    recover_after_ms: Annotated[int, Meta(ge=100, le=HOUR_MS)] = 5_000


class Bundles(Section, frozen=True):
    """Bundles that the shop offers."""

    max: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
