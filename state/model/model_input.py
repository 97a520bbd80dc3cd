"""What the model operator is told: updates of shards, snapshots and changes of the topic, a person's commands; the first byte
tells which."""

from typing import Literal

import msgspec

from state.codec import unpack
from state.model.change import MARK, Change
from state.model.learner import ShardUpdate
from state.model.snapshot import Snapshot

UPDATE_MARK = b"U"
"""First byte of a shard's update, which stays in the job."""
_COMMAND = b"C"


class Command(msgspec.Struct, array_like=True, frozen=True):
    """`import` or `rollback`: the snapshot to go on from, as its own bytes; `at_ms` is when it was given."""

    action: Literal["import", "rollback"]
    at_ms: int
    snapshot: bytes

    def encode(self) -> bytes:
        """Return bytes for the model's topic."""
        return _COMMAND + msgspec.msgpack.encode(self)


def encode_update(update: ShardUpdate) -> bytes:
    """Return an update for the model operator."""
    return UPDATE_MARK + msgspec.msgpack.encode(update)


def read_model_input(data: bytes) -> ShardUpdate | Command | Change | Snapshot:
    """Return what the bytes hold.

    Raises:
        UnreadableError: they are damaged, or of another release.
    """
    if data[:1] == UPDATE_MARK:
        return unpack(data, (UPDATE_MARK,), _updates, "the update of a shard")
    if data[:1] == _COMMAND:
        return unpack(data, (_COMMAND,), _commands, "the command for the model")
    return Change.decode(data) if data[:1] == MARK else Snapshot.decode(data)


_updates = msgspec.msgpack.Decoder(ShardUpdate)
_commands = msgspec.msgpack.Decoder(Command)
