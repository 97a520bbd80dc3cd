"""Reading an event of `user_interactions`: bytes in, an `Event` or a `Rejection` with a reason out.

The rules are those of the event's form in docs/events.md: required fields, lengths, what each type needs.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from state.events.decoding import decode_or_reject
from state.events.rejection import Reason, Rejection

EventType = Literal[
    "product_view",
    "category_view",
    "add_to_cart",
    "checkout",
    "impression",
    "feedback",
    "hover",
    "dwell",
    "search",
    "consent",
    "erase",
]
EVENT_TYPES: tuple[EventType, ...] = EventType.__args__  # type: ignore[attr-defined]
"""In the order of their codes in session state: append, never reorder."""

LONGEST_ID = 128
Identifier = Annotated[str, Meta(min_length=1, max_length=LONGEST_ID)]
NO_CONTROLS = r"\A[^\x00-\x1f\x7f-\x9f]*\Z"
SessionId = Annotated[str, Meta(min_length=1, max_length=128, pattern=NO_CONTROLS)]
"""`$` would let a newline at the end pass."""
SMALLEST_TIMESTAMP_MS = 1


class Line(msgspec.Struct, frozen=True, gc=False):
    """Product of a checkout."""

    product_id: Identifier
    quantity: Annotated[float, Meta(gt=0)] | None = None
    price: Annotated[float, Meta(ge=0)] | None = None


class Feedback(msgspec.Struct, frozen=True, gc=False):
    """A thumb (-1 or 1) or a rating (1 to 5)."""

    kind: Literal["thumb", "rating"]
    value: float

    @property
    def strength(self) -> float:
        """From -1 (the worst) to 1 (the best)."""
        return self.value if self.kind == "thumb" else (self.value - 3) / 2

    def is_valid(self) -> bool:
        """Return whether the value belongs to the kind."""
        return self.value in (-1, 1) if self.kind == "thumb" else 1 <= self.value <= 5


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event in the form that producers send; times in ms since the epoch, UTC."""

    session_id: SessionId
    event_type: EventType
    timestamp: int
    event_id: Annotated[str, Meta(max_length=64)] | None = None
    product_id: Identifier | None = None
    category_id: Identifier | None = None
    items: Annotated[list[Line], Meta(max_length=100)] | None = None
    decision_id: Annotated[str, Meta(max_length=128)] | None = None
    shown: Annotated[list[Identifier], Meta(max_length=100)] | None = None
    feedback: Feedback | None = None
    granted: bool | None = None
    duration_ms: Annotated[float, Meta(ge=0)] | None = None
    query: Annotated[str, Meta(max_length=256)] | None = None
    region: Annotated[str, Meta(max_length=128)] | None = None
    device: Annotated[str, Meta(max_length=128)] | None = None
    user_id: Annotated[str, Meta(max_length=256)] | None = None
    price: Annotated[float, Meta(ge=0)] | None = None
    quantity: Annotated[float, Meta(gt=0)] | None = None
    context: Annotated[dict[str, str | int | float], Meta(max_length=16)] | None = None

    @property
    def identity(self) -> str:
        """The id that duplicates share: `event_id`, or time, type, product and category."""
        if self.event_id:
            return self.event_id
        return derived_identity(self.timestamp, self.event_type, self.product_id, self.category_id)

    def products(self) -> list[str]:
        """Return the products that the event is about, each once, in order."""
        own = [] if self.product_id is None else [self.product_id]
        if not self.items:
            return own
        return list(dict.fromkeys([*own, *[line.product_id for line in self.items]]))


def derived_identity(timestamp_ms: int, event_type: str, product_id: str | None, category_id: str | None) -> str:
    """Return the identity of an event that brings no id of its own."""
    return f"{timestamp_ms}|{event_type}|{product_id or ''}|{category_id or ''}"


# What a type needs besides the required fields: any one of each group.
REQUIREMENTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "product_view": (("product_id",),),
    "category_view": (("category_id",),),
    "add_to_cart": (("product_id",),),
    "checkout": (("items", "product_id"),),
    "impression": (("decision_id",), ("shown",)),
    "feedback": (("product_id",), ("feedback",)),
    "hover": (("product_id",),),
    "dwell": (("product_id",), ("duration_ms",)),
    "search": (("query",),),
    "consent": (("granted",),),
    "erase": (),
}

_NOTHING: tuple[object, ...] = (None, "", [])
_decoder = msgspec.json.Decoder(Event)


def read_event(payload: bytes | None, *, now_ms: int, max_bytes: int, max_future_ms: int) -> Event | Rejection:
    """Return an event from the bytes of a Kafka record, or why it is none.

    `now_ms` is the wall clock; a timestamp further ahead than `max_future_ms` would push the watermark and is refused.
    """
    event = decode_or_reject(_decoder, payload, max_bytes)
    if isinstance(event, Rejection):
        return _of_an_event(event)
    return _broken_rule(event, now_ms + max_future_ms) or event


def speaks_of_consent(payload: bytes | None) -> bool:
    """Return whether a payload that was refused is, as far as can be told, a consent or an erasure: a visitor's wish that is not
    carried out yet. Where it cannot be read, its bytes decide."""
    try:
        return _kinds.decode(payload or b"").event_type in ("consent", "erase")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _CONSENT.search(payload or b"") is not None


class _Kind(msgspec.Struct):
    event_type: Any = None


_kinds = msgspec.json.Decoder(_Kind)
_CONSENT = re.compile(rb"""event_type\W{1,8}(consent|erase)\b""")


def _of_an_event(rejection: Rejection) -> Rejection:
    """The rejection with what only events have: a reason for unknown types, a hint on consent."""
    field, detail = rejection.field, rejection.detail
    if field == "event_type" and "enum" in detail:
        return Rejection(Reason.UNKNOWN_EVENT_TYPE, field, detail)
    if field == "granted":
        hint = "write true or false without quotes; until it is sent so, consent stands as it was"
        return Rejection(rejection.reason, field, f"{detail}: {hint}")
    return rejection


def _broken_rule(event: Event, latest_ms: int) -> Rejection | None:
    if event.timestamp < SMALLEST_TIMESTAMP_MS:
        return Rejection(Reason.TIMESTAMP_NOT_POSITIVE, "timestamp", f"{event.timestamp} is not after 1970")
    if event.timestamp > latest_ms:
        return Rejection(Reason.TIMESTAMP_IN_FUTURE, "timestamp", f"{event.timestamp} is ahead of the clock")
    for group in REQUIREMENTS[event.event_type]:
        for name in group:
            if getattr(event, name) not in _NOTHING:
                break
        else:
            return Rejection(Reason.MISSING_FIELD, group[0], f"{event.event_type} needs {' or '.join(group)}")
    if event.feedback is not None and not event.feedback.is_valid():
        return Rejection(Reason.INVALID_VALUE, "feedback.value", "a thumb is -1 or 1, a rating 1 to 5")
    return None
