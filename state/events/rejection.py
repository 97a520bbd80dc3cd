"""Why an input was refused, and the dead letter that says so."""

import base64
import enum
from collections.abc import Mapping

import msgspec

PAYLOAD_LIMIT_BYTES = 16 * 1024
"""A dead letter must always fit, so it holds no more of the payload than this."""
DETAIL_LIMIT_CHARACTERS = 512
KEY_LIMIT_BYTES = 1_024
"""Of a record's key in its dead letter; a session's or a product's id is shorter."""


class Reason(enum.StrEnum):
    """The closed set of reasons; dashboards and `heliotrope dead-letters` count by it."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    INVALID_VALUE = "invalid_value"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    TIMESTAMP_NOT_POSITIVE = "timestamp_not_positive"
    TIMESTAMP_IN_FUTURE = "timestamp_in_future"
    KEY_MISMATCH = "key_mismatch"
    BUNDLES_FULL = "bundles_full"
    INTERNAL_ERROR = "internal_error"
    NOT_STORED = "not_stored"
    """Of no input: says how many others were left out in a flood."""


class Rejection(msgspec.Struct, frozen=True):
    """Refusal of bytes that are no event or product: the reason, the field that breaks a rule where there is one, and a
    sentence."""

    reason: Reason
    field: str | None
    detail: str


class Origin(msgspec.Struct, frozen=True):
    """Source of a record: its topic, partition, offset, and Kafka timestamp in ms."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """The value of a record of the dead-letter topic."""

    reason: Reason
    detail: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    payload_base64: str
    payload_bytes: int
    field: str | None = None
    not_stored: dict[str, int] = {}


def not_stored(counts: Mapping[str, int], last: Origin) -> bytes:
    """Return a dead letter for those that were not stored: how many by reason, and where the last of them came from."""
    letter = DeadLetter(
        reason=Reason.NOT_STORED,
        detail=f"{sum(counts.values())} dead letters beyond events.dead_letters_per_second are counted here and not stored",
        topic=last.topic,
        partition=last.partition,
        offset=last.offset,
        timestamp=last.timestamp_ms,
        payload_base64="",
        payload_bytes=0,
        not_stored=dict(counts),
    )
    return msgspec.json.encode(letter)


def letter_key(key: bytes | None) -> bytes | None:
    """Return the key of a refused record as its dead letter has it: of one that is longer than any valid one, the beginning."""
    return key if key is None else key[:KEY_LIMIT_BYTES]


def dead_letter(rejection: Rejection, origin: Origin, payload: bytes | None) -> bytes:
    """Return the dead letter's JSON, at most about 24 KiB whatever the payload's size."""
    content = payload or b""
    letter = DeadLetter(
        reason=rejection.reason,
        field=rejection.field,
        detail=rejection.detail[:DETAIL_LIMIT_CHARACTERS],
        topic=origin.topic,
        partition=origin.partition,
        offset=origin.offset,
        timestamp=origin.timestamp_ms,
        payload_base64=base64.b64encode(content[:PAYLOAD_LIMIT_BYTES]).decode(),
        payload_bytes=len(content),
    )
    return msgspec.json.encode(letter)
