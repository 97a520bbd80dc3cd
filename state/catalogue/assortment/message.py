"""What a shard of the directory tells a category."""

import enum
from collections.abc import Iterable

import msgspec

from state.codec import unpack


class Act(enum.IntEnum):
    """Fate of a product: it is new in the category, has other facts, is gone from the shop, belongs to another category from now
    on, or has been asked for."""

    ADD = 0
    CHANGE = 1
    REMOVE = 2
    LEAVE = 3
    REPORT = 4


class Change(msgspec.Struct, array_like=True, gc=False):
    """A product and what becomes of it; `facts` as in `facts.py`, empty where the act needs none."""

    act: Act
    product_id: str
    facts: bytes = b""


class Message(msgspec.Struct, array_like=True):
    """Changes in order. A product's messages come from one shard, whose versions rise: ms since the epoch, or a little ahead."""

    version: int
    changes: list[Change]


_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def encode_message(message: Message) -> bytes:
    """Return versioned bytes, as messages are in flight when the job is stopped with a savepoint."""
    return _VERSION + _encoder.encode(message)


def read_messages(messages: Iterable[bytes]) -> list[Message]:
    """Return messages in the order of their versions: gathering them need not keep it.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    return sorted(map(_read, messages), key=lambda message: message.version)


def _read(data: bytes) -> Message:
    return unpack(data, (_VERSION,), _decoder, "a message of the directory")
