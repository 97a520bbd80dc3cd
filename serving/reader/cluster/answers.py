"""Answers to the GETs of one node: values, words that a key is elsewhere, or that the node does not serve."""

from collections.abc import Iterable, Sequence
from typing import Any

import hiredis

from operators.redis.cluster.address import Node
from operators.redis.cluster.topology import Redirection, redirection_in
from serving.reader.answer import Reason

Found = bytes | Redirection | None
ASKING: bytes = hiredis.pack_command(("ASKING",))


def gets(keys: Iterable[str]) -> bytes:
    """Return a GET of each key as Redis reads it."""
    words: Any = (("GET", key) for key in keys)
    return b"".join(map(hiredis.pack_command, words))


def found_in(answers: Sequence[Any], asked: Node) -> Sequence[Found] | Reason:
    """Return what each GET found. A key of another type holds nothing for a reader, as in an MGET."""
    found = [_found(answer, asked) for answer in answers]
    return Reason.REDIS_ERROR if any(isinstance(one, Reason) for one in found) else found  # type: ignore[return-value]


def _found(answer: Any, asked: Node) -> Found | Reason:
    if answer is None or isinstance(answer, bytes):
        return answer
    text = str(answer)
    if text.startswith("WRONGTYPE"):
        return None
    return redirection_in(text, asked) or Reason.REDIS_ERROR
