"""A batch of inputs of a bucket's sessions, read from the row that `heliotrope.Gather` sends."""

import enum
from collections.abc import Iterator

import msgspec
from pyflink.common import Row

from operators.names import HINT_PARTITION


class Kind(enum.Enum):
    """The topic that an input is from."""

    EVENT = "event"
    HINT = "hint"


class Input(msgspec.Struct, frozen=True, gc=False):
    """An input of a session as it came: `origin_key` and the three after it are the Kafka record's."""

    kind: Kind
    session_id: str
    payload: bytes | None
    origin_key: bytes | None
    partition: int
    offset: int
    record_ms: int


def read_batch(row: Row) -> Iterator[Input]:
    """Yield the inputs of Row(sessions, payloads, origin keys, origins), in the order of arrival.

    The first three are arrays of the same length; `origins` is a text with `partition offset record_ms ` for each. The partition of
    a hint is `HINT_PARTITION` less its own, so that both kinds fit one column of numbers. A time before 1970, which a producer may
    set, counts as 0: versions of profiles go by it.
    """
    sessions, payloads, origin_keys, origins = row._values
    numbers = map(int, origins.split())
    records = zip(sessions, payloads, origin_keys, numbers, numbers, numbers, strict=True)
    for session_id, payload, origin_key, partition, offset, told_ms in records:
        record_ms = max(0, told_ms)
        if partition <= HINT_PARTITION:
            yield Input(Kind.HINT, session_id, payload, origin_key, HINT_PARTITION - partition, offset, record_ms)
        else:
            yield Input(Kind.EVENT, session_id, payload, origin_key, partition, offset, record_ms)
