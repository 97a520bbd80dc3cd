"""What the model operator is told: updates of shards, snapshots and changes of the topic, a person's commands; the first byte
tells which."""

from typing import Literal

import msgspec

from state.change import MARK, Change
from state.learner import ShardUpdate
from state.model import Snapshot

_UPDATE = b"U"
_COMMAND = b"C"


class Command(msgspec.Struct, array_like=True, frozen=True):
    """`import` or `rollback`: the snapshot to go on from, as its own bytes; `at_ms` is when it was given."""

    action: Literal["import", "rollback"]
    at_ms: int
    snapshot: bytes

    def encode(self) -> bytes:
        """Bytes for the model's topic."""
        return _COMMAND + msgspec.msgpack.encode(self)


def encode_update(update: ShardUpdate) -> bytes:
    """An update for the model operator."""
    return _UPDATE + msgspec.msgpack.encode(update)


def read_model_input(data: bytes) -> ShardUpdate | Command | Change | Snapshot:
    """What the bytes hold.

    Raises:
        ValueError: they are damaged, or of another release.
    """
    try:
        if data[:1] == _UPDATE:
            return _updates.decode(data[1:])
        if data[:1] == _COMMAND:
            return _commands.decode(data[1:])
    except msgspec.DecodeError as error:
        raise ValueError(f"the message for the model is damaged: {error}") from None
    return Change.decode(data) if data[:1] == MARK else Snapshot.decode(data)


_updates = msgspec.msgpack.Decoder(ShardUpdate)
_commands = msgspec.msgpack.Decoder(Command)
