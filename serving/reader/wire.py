"""The two words of Redis' protocol that readers need: MGET out, arrays of values in."""

from collections.abc import Iterable, Sequence
from typing import Any

import hiredis

from serving.reader.answer import Reason

MORE = False
"""What `hiredis.Reader.gets` returns when the answer is not complete yet."""


def mget(keys: Iterable[str]) -> bytes:
    """Return the command as Redis reads it."""
    command: Any = ("MGET", *keys)
    packed: bytes = hiredis.pack_command(command)
    return packed


def answers() -> Any:
    """Make a parser of what Redis sends."""
    return hiredis.Reader()


def values_of(answer: Any, count: int) -> Sequence[bytes | None] | Reason:
    """Return the values of an MGET of so many keys, or that Redis answered something else."""
    if isinstance(answer, list) and len(answer) == count:
        return answer
    return Reason.REDIS_ERROR
