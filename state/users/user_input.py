"""Input of the operator of users besides accepted events: who was identified, who is to be forgotten, and users' lists."""

import msgspec

from state.codec import reading


class Hello(msgspec.Struct, tag="hello", frozen=True):
    """A session met the user with an event of that time, and asks what is known."""

    session_id: str
    at_ms: int


class Forget(msgspec.Struct, tag="forget", frozen=True):
    """The user erased a session or withdrew consent there, with an event of that time."""

    at_ms: int


class Listed(msgspec.Struct, tag="listed", frozen=True):
    """The user's list as of a record's Kafka time; no items: it was removed."""

    items: list[str]
    at_ms: int


Message = Hello | Forget | Listed


def encode_message(message: Message) -> str:
    """Return text, as messages travel with the lines of `state/events/accepted.py`, which begin with a digit and never with a
    brace."""
    return _encoder.encode(message).decode()


def read_message(text: str) -> Message | None:
    """Return a message, or None for the lines of an accepted event.

    Raises:
        UnreadableError: it is neither.
    """
    if text[:1] != "{":
        return None
    with reading("a message for a user"):
        return _decoder.decode(text)


_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
