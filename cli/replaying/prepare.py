"""Reads a whole file into events that only lack their final time; about 300 bytes of memory per row."""

from collections import Counter
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cli.replaying.mapping import MappedEvent, RowMapper
from cli.replaying.rows import Row

EVENT_ID_BYTES = 12
BAD_TIME = "unreadable time, sent as it is"
OWN_ID = b'{"event_id":'  # an event with an id of its own has it first
UNREADABLE = "unreadable row, sent as it is"


class Prepared(msgspec.Struct):
    """Events in file order.

    Attributes:
        bodies: JSON objects without their timestamp; raw bytes where `dated` is False, to be sent as they are.
        keys: session ids, None where the row has none.
        times_ms: event times; an undated row has that of the row before it, to be sent there.
        dated: whether the time is the row's own.
        rows: rows read; `skipped` and `odd` count by reason those that were left out and those that will be refused.
    """

    bodies: list[bytes]
    keys: list[bytes | None]
    times_ms: NDArray[np.int64]
    dated: NDArray[np.bool_]
    rows: int
    skipped: Counter[str]
    odd: Counter[str]

    def span_ms(self) -> tuple[int, int] | None:
        """The oldest and the newest time; None where no row has a time."""
        times = self.times_ms[self.dated]
        return (int(times.min()), int(times.max())) if len(times) else None

    def shift(self, offset_ms: int) -> None:
        """Moves all times."""
        self.times_ms = self.times_ms + offset_ms

    def value(self, index: int) -> bytes:
        """The record's value of one event, with its time and an id from its content."""
        if not self.dated[index]:
            return self.bodies[index]
        return dated_value(self.bodies[index], int(self.times_ms[index]))


def prepare(rows: Iterable[Row | bytes], mapper: RowMapper) -> Prepared:
    """Maps all rows; nothing is left out but what the mapping's `skip` names."""
    result = Prepared([], [], np.empty(0, np.int64), np.empty(0, np.bool_), 0, Counter(), Counter())
    times: list[int] = []
    dated: list[bool] = []
    for row in rows:
        result.rows += 1
        mapped = row if isinstance(row, bytes) else mapper.map_row(row)
        if isinstance(mapped, str):
            result.skipped[mapped] += 1
            continue
        body, key, time_ms = _encode(mapped, result.odd)
        result.bodies.append(body)
        result.keys.append(key)
        dated.append(time_ms is not None)
        times.append(time_ms if time_ms is not None else times[-1] if times else 0)
    result.times_ms = np.array(times, dtype=np.int64)
    result.dated = np.array(dated, dtype=np.bool_)
    return result


def _encode(mapped: MappedEvent | bytes, odd: Counter[str]) -> tuple[bytes, bytes | None, int | None]:
    if isinstance(mapped, bytes):
        odd[UNREADABLE] += 1
        return mapped, None, None
    key = _key(mapped.fields)
    if mapped.timestamp_ms is None:
        odd[BAD_TIME] += 1
        return _json({"event_id": content_id(_json(mapped.fields)), **mapped.fields}), key, None
    if "event_id" in mapped.fields:
        return _json({"event_id": None, **mapped.fields}), key, mapped.timestamp_ms  # moves it to the front
    return _json(mapped.fields), key, mapped.timestamp_ms


def _key(fields: dict[str, Any]) -> bytes | None:
    session = fields.get("session_id")
    return session.encode() if isinstance(session, str) else None


def _json(fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(fields)


def content_id(content: bytes) -> str:
    """An id that equal contents share, so that a row that is sent twice is a duplicate and no other row is."""
    return blake2b(content, digest_size=EVENT_ID_BYTES).hexdigest()


def dated_value(body: bytes, timestamp_ms: int) -> bytes:
    """An event's JSON with its time, and with an id from its content where it has none of its own."""
    inner = body[1:-1]
    content = b"%b%b" % (inner + b"," if inner else b"", b'"timestamp":%d' % timestamp_ms)
    if body.startswith(OWN_ID):
        return b"{%b}" % content
    return b'{%b,"event_id":"%b"}' % (content, content_id(content).encode())
