"""Section of the HTTP service."""

from typing import Annotated

from msgspec import Meta

from state.configuration.types import HOUR_MS, MINUTE_MS, Port, Section

RateLimit = Annotated[str, Meta(pattern=r"\A(\d{1,9}/(second|minute|hour))?\Z")]
"""For example `100/second`; empty for none."""


class RateLimits(Section, frozen=True):
    """Settings of how many events are taken of one key, one session and one address."""

    key: RateLimit = ""
    session: RateLimit = ""
    address: RateLimit = ""


class Streams(Section, frozen=True):
    """The open connections on which news of profiles is sent."""

    max: Annotated[int, Meta(ge=1, le=1_000_000)] = 10_000
    max_sockets: Annotated[int, Meta(ge=0, le=1_000_000)] = 2_000
    per_session: Annotated[int, Meta(ge=1, le=1_000)] = 16
    keep_alive_ms: Annotated[int, Meta(ge=100, le=10 * MINUTE_MS)] = 20_000
    idle_ms: Annotated[int, Meta(ge=100, le=24 * HOUR_MS)] = 120_000
    send_timeout_ms: Annotated[int, Meta(ge=100, le=10 * MINUTE_MS)] = 10_000
    retry_ms: Annotated[int, Meta(ge=100, le=10 * MINUTE_MS)] = 3_000


class Reader(Section, frozen=True):
    """Settings of reads for `GET /v1/profile`."""

    budget_ms: Annotated[int, Meta(ge=1, le=MINUTE_MS)] = 50
    wait_max_ms: Annotated[int, Meta(ge=1, le=5 * MINUTE_MS)] = 10_000
    slow_after_ms: Annotated[int, Meta(ge=1, le=MINUTE_MS)] = 50
    give_up_after_ms: Annotated[int, Meta(ge=10, le=MINUTE_MS)] = 2_000
    failures: Annotated[int, Meta(ge=1, le=1_000)] = 3
    lag_ms: Annotated[int, Meta(ge=1, le=MINUTE_MS)] = 100
    stale_max_ms: Annotated[int, Meta(ge=1, le=24 * HOUR_MS)] = 10 * MINUTE_MS
    cache_profiles: Annotated[int, Meta(ge=1, le=10_000_000)] = 20_000
    cache_bytes: Annotated[int, Meta(ge=65_536, le=2**40)] = 64 * 1024 * 1024


class Trackers(Section, frozen=True):
    """Mappings by which calls of other trackers become events: a shipped mapping or the path of one; empty to take none."""

    segment: str = "segment"
    posthog: str = "posthog"
    mixpanel: str = "mixpanel"


class Serving(Section, frozen=True):
    """The way in and the way out over HTTP."""

    enabled: bool = True
    host: Annotated[str, Meta(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 0
    workers: Annotated[int, Meta(ge=1, le=256)] = 1
    write_keys_file: str = ""
    session_tokens: bool = False
    session_tokens_file: str = ""
    origins: Annotated[list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=100)] = []
    trusted_proxies: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(max_length=100)] = []
    rate_limits: RateLimits = RateLimits()
    trackers: Trackers = Trackers()
    data_dir: str = ""
    metadata: bool = True
    reader: Reader = Reader()
    streams: Streams = Streams()
    max_connections: Annotated[int, Meta(ge=16, le=1_000_000)] = 12_000
    header_timeout_ms: Annotated[int, Meta(ge=100, le=5 * MINUTE_MS)] = 10_000
    body_timeout_ms: Annotated[int, Meta(ge=100, le=5 * MINUTE_MS)] = 10_000
    produce_timeout_ms: Annotated[int, Meta(ge=500, le=2 * MINUTE_MS)] = 5_000
    stop_timeout_ms: Annotated[int, Meta(ge=1_000, le=5 * MINUTE_MS)] = 10_000
    storefront: bool = True
    storefront_catalogue: str = ""
    admin_token_file: str = ""
    job_metrics: str = ""
