"""What a reader asks for, and what it gets."""

import enum
from functools import cached_property
from typing import Any
from zlib import crc32

import msgspec


class Source(enum.StrEnum):
    """Sources of an answer, the best first: the order of the chain."""

    PROFILE = "profile"
    STALE = "stale"
    REGION = "region"
    ALL = "all"
    STATIC = "static"


class Reason(enum.StrEnum):
    """Reasons for an answer that is not what was asked for. The set is closed."""

    NO_PROFILE = "no_profile"
    NOT_A_PROFILE = "not_a_profile"
    NOT_YET = "not_yet"
    REDIS_SLOW = "redis_slow"
    REDIS_AWAY = "redis_away"
    REDIS_ERROR = "redis_error"
    BREAKER_OPEN = "breaker_open"
    PRESSURE = "pressure"
    OVERLOADED = "overloaded"
    INTERNAL_ERROR = "internal_error"


class ProfileRequest(msgspec.Struct, frozen=True, gc=False):
    """Request for one read; times in ms. `min_version` and `since_ms` wait up to `wait_ms` for a profile that knows as much."""

    session_id: str
    region: str = ""
    limit: int | None = None
    min_version: int | None = None
    since_ms: int | None = None
    wait_ms: int | None = None
    budget_ms: int | None = None

    @property
    def waits(self) -> bool:
        """Whether a profile must know something to be an answer."""
        return self.min_version is not None or self.since_ms is not None


class Served(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Account of an answer: its source, how old its content is, how long it took, and why it is no fresh profile."""

    source: Source
    age_ms: int
    waited_ms: int
    reason: Reason | None = None


class Answer:
    """Profile, or a list in its form.

    Attributes:
        content: its JSON, an object.
        served: where it comes from.
    """

    def __init__(self, content: bytes, served: Served) -> None:
        self.content = content
        self.served = served

    @cached_property
    def profile(self) -> dict[str, Any]:
        """The content as plain values."""
        return msgspec.json.decode(self.content, type=dict[str, Any])

    @property
    def etag(self) -> str:
        """A weak entity tag of the content; `served` differs from read to read and is not in it."""
        return f'W/"{crc32(self.content):08x}-{len(self.content):x}"'

    def to_json(self) -> bytes:
        """Return the content with `served` as its last field."""
        return b"".join((self.content[:-1], b',"served":', _encoder.encode(self.served), b"}"))


_encoder = msgspec.json.Encoder()
