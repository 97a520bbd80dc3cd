"""What a reader of profiles may be given; times in ms."""

from typing import Annotated

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=10_000_000)]
Millis = Annotated[int, Meta(ge=1, le=86_400_000)]

BATCH_KEYS = 256
"""Keys in one MGET."""


class ReaderSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Budget, bounds of what is kept, and when Redis counts as slow or away.

    Attributes:
        prefix: before every key, as `redis.prefix` of the job.
        budget_ms: an answer takes no longer, whatever Redis does; a request may have its own.
        slow_ms: an answer of Redis that takes longer is a failure for the circuit breaker.
        give_up_ms: a connection that answers nothing for so long is dropped.
        failures: in a row, until the circuit breaker opens.
        first_rest_ms: Redis is left alone for so long once it is open; twice that after each probe that fails.
        longest_rest_ms: at most so long.
        stale_max_ms: a profile read longer ago is not shown.
        cache_entries: profiles kept.
        cache_bytes: of all of them together.
        regions: lists of regions kept.
        list_max_age_ms: a list read longer ago is read anew.
        lag_ms: an event loop that is late by more is under pressure: what is kept is shown first.
        items: most items of a list.
        refresh_after_ms: the hint for readers that poll, for lists; profiles have their own.
        static_file: where the last list of all regions is kept for a start without Redis; empty: nowhere.
        static_interval_ms: it is written at most so often.
    """

    prefix: str = "heliotrope"
    budget_ms: Millis = 50
    slow_ms: Millis = 50
    give_up_ms: Millis = 2_000
    failures: Annotated[int, Meta(ge=1, le=1_000)] = 3
    first_rest_ms: Millis = 250
    longest_rest_ms: Millis = 2_000
    stale_max_ms: Millis = 600_000
    cache_entries: Count = 20_000
    cache_bytes: Annotated[int, Meta(ge=65_536)] = 64 * 1024 * 1024
    regions: Count = 1_000
    list_max_age_ms: Millis = 1_000
    lag_ms: Millis = 100
    items: Annotated[int, Meta(ge=1, le=1_000)] = 20
    refresh_after_ms: Millis = 30_000
    static_file: str = ""
    static_interval_ms: Millis = 60_000
