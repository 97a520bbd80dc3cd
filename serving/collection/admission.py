"""From the bytes of a batch to events that may be sent, and the reasons of those that may not.

Events are read by `state.events.event.read_event`, the very function of the job: what is refused here would be a dead letter there.
"""

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from serving.problems import Refusal
from state.configuration import Events
from state.events.decoding import decode_or_reject
from state.events.event import Event, read_event
from state.events.rejection import Rejection

MOST_EVENTS = 100


class Rejected(msgspec.Struct, frozen=True):
    """Reason why an event was not accepted, with its index in the batch; reasons are those of dead letters."""

    index: int
    reason: str
    field: str | None
    detail: str


class Admitted(NamedTuple):
    """An event that may be sent: its bytes, and what is needed of it on the way."""

    session_id: str
    timestamp_ms: int
    is_word: bool
    """Whether it is a consent, a withdrawal or an erasure: those always pass."""
    grants: bool
    content: bytes


class Batch(NamedTuple):
    """Events of a batch that are admitted and rejected, both in its order."""

    admitted: list[Admitted]
    rejected: list[Rejected]


class _Whole(msgspec.Struct):
    """A body: a batch, or one event if it has no `events`."""

    events: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


class _Given(msgspec.Struct):
    """The fields that are filled in if they are missing."""

    timestamp: Any = msgspec.UNSET
    event_id: Any = msgspec.UNSET


_whole = msgspec.json.Decoder(_Whole)
_given = msgspec.json.Decoder(_Given)
_any = msgspec.json.Decoder()


def split(body: bytes) -> list[bytes]:
    """Return the events of a body, each as it was sent.

    Raises:
        Refusal: 400, the body is neither one event nor a batch; 413, a batch of too many.
    """
    whole = decode_or_reject(_whole, body, len(body))
    if isinstance(whole, Rejection):
        raise Refusal(400, whole.detail, reason=whole.reason, field=whole.field)
    if isinstance(whole.events, msgspec.UnsetType):
        return [body]
    if len(whole.events) > MOST_EVENTS:
        raise Refusal(413, f"{len(whole.events)} events, at most {MOST_EVENTS} are taken at once", reason="too_large")
    return [bytes(event) for event in whole.events]


def admit(contents: Iterable[bytes], settings: Events, now_ms: int, repeat_key: str = "") -> Batch:
    """Read events as the job will. `repeat_key` is what a client's repetitions of the same batch have in common."""
    admitted: list[Admitted] = []
    rejected: list[Rejected] = []
    fresh = secrets.token_hex(12)  # one call of the system for all events, which took a tenth of the whole
    for index, content in enumerate(contents):
        completed = complete(content, now_ms, f"{repeat_key}|{index}" if repeat_key else "", f"{fresh}-{index}")
        found = read_event(completed, now_ms=now_ms, max_bytes=settings.max_bytes, max_future_ms=settings.max_future_ms)
        if isinstance(found, Rejection):
            rejected.append(Rejected(index, found.reason, found.field, found.detail))
        else:
            admitted.append(_admitted(found, completed))
    return Batch(admitted, rejected)


def complete(content: bytes, now_ms: int, repeat_key: str = "", fresh_id: str = "") -> bytes:
    """Return an event with what it lacks: an id, and the server's time.

    A client that gets no answer repeats its batch, and the job drops what it knows by id. So an id that is filled in must be the
    same again: it is a hash of the event if that has its own time, else of the event and the client's Idempotency-Key. With
    neither of them two equal events cannot be distinguished from one that came twice, and each is new: `fresh_id`, or a random one.
    """
    try:
        given = _given.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return content  # `read_event` says what is wrong
    added: dict[str, Any] = {}
    if given.timestamp in (msgspec.UNSET, None):
        added["timestamp"] = now_ms
    if given.event_id in (msgspec.UNSET, None, ""):
        added["event_id"] = _event_id(content, bool(added), repeat_key, fresh_id)
    return _with(content, added, given) if added else content


def _event_id(content: bytes, is_timeless: bool, repeat_key: str, fresh_id: str) -> str:
    if is_timeless and not repeat_key:
        return fresh_id or secrets.token_hex(16)
    known_by = repeat_key.encode() + b"\0" + content if is_timeless else content
    return hashlib.blake2b(known_by, digest_size=16).hexdigest()


def _with(content: bytes, added: dict[str, Any], given: _Given) -> bytes:
    """Puts fields into an object. One that is there as null or empty is replaced: JSON knows no order between two of a name."""
    if ("timestamp" in added and given.timestamp is not msgspec.UNSET) or (
        "event_id" in added and given.event_id is not msgspec.UNSET
    ):
        return msgspec.json.encode({**_any.decode(content), **added})
    stripped = content.strip()
    separator = b"" if stripped[1:-1].strip() == b"" else b","
    return stripped[:-1] + separator + msgspec.json.encode(added)[1:]


def _admitted(event: Event, content: bytes) -> Admitted:
    is_word = event.event_type in ("consent", "erase")
    return Admitted(
        event.session_id, event.timestamp, is_word, event.event_type == "consent" and bool(event.granted), content
    )


def sessions_of(admitted: Sequence[Admitted]) -> list[str]:
    """Return the session of each event."""
    return [one.session_id for one in admitted]
