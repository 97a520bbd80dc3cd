"""Reads a whole file into events that only lack their final time; about 20 bytes of memory per row, the rest on disk."""

import json
from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from cli.files.rows import LARGEST_LINE_BYTES, Row, TooLarge
from cli.replay.mapping import MappedEvent, RowMapper
from cli.replay.spool import Spool

EVENT_ID_BYTES = 12
BAD_TIME = "unreadable time, sent as it is"
OWN_ID = b'{"event_id":'  # an event with an id of its own has it first
UNREADABLE = "unreadable row, sent as it is"
TOO_LARGE = "over 2 MiB, which the topic does not take"
MOST_SESSIONS_COUNTED = 1_000_000

Examine = Callable[[MappedEvent | bytes, bytes], None]
"""Is told of each event, and its JSON without time and derived id."""


class Prepared(msgspec.Struct):
    """Events in file order.

    Attributes:
        bodies: JSON objects without their timestamp; raw bytes where `dated` is False, to be sent as they are. With the
            session's id as key, None where the row has none.
        times_ms: event times; an undated row has that of the row before it, to be sent there.
        dated: whether the time is the row's own.
        sessions: how many distinct session ids there are, counted up to `MOST_SESSIONS_COUNTED`.
        rows: rows read; `skipped` and `odd` count by reason those that were left out and those that will be refused.
    """

    bodies: Spool
    times_ms: NDArray[np.int64]
    dated: NDArray[np.bool_]
    sessions: int
    rows: int
    skipped: Counter[str]
    odd: Counter[str]

    def span_ms(self) -> tuple[int, int] | None:
        """Return the oldest and the newest time; None where no row has a time."""
        times = self.times_ms[self.dated]
        return (int(times.min()), int(times.max())) if len(times) else None

    def shift(self, offset_ms: int) -> None:
        """Move all times."""
        self.times_ms = self.times_ms + offset_ms

    def value(self, index: int) -> bytes:
        """Return the record's value of one event, with its time and an id from its content."""
        return self.record(index)[1]

    def record(self, index: int) -> tuple[bytes | None, bytes]:
        """Return the record's key and value of one event."""
        key, body = self.bodies[index]
        return key, dated_value(body, int(self.times_ms[index])) if self.dated[index] else body


def prepare(rows: Iterable[Row | bytes], mapper: RowMapper, examine: Examine | None = None) -> Prepared:
    """Map all rows; nothing is left out but what the mapping's `skip` names and what no topic takes."""
    bodies, times, dated = Spool(), array("q"), bytearray()
    skipped, odd, sessions, count = Counter[str](), Counter[str](), set[int](), 0
    for row in rows:
        count += 1
        mapped = row if isinstance(row, bytes) else mapper.map_row(row)
        if isinstance(mapped, str):
            skipped[mapped] += 1
            continue
        body, key, time_ms = _encode(mapped, odd)
        if isinstance(row, TooLarge) or len(body) > LARGEST_LINE_BYTES:
            skipped[TOO_LARGE] += 1
            continue
        if examine:
            examine(mapped, body)
        bodies.append(key, body)
        dated.append(time_ms is not None)
        times.append(time_ms if time_ms is not None else times[-1] if times else 0)
        if key is not None and len(sessions) < MOST_SESSIONS_COUNTED:
            sessions.add(hash(key))
    return Prepared(bodies, np.array(times, np.int64), np.array(dated, np.bool_), len(sessions), count, skipped, odd)


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
    return session.encode("utf-8", "surrogatepass") if isinstance(session, str) else None


def _json(fields: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(fields)
    except (TypeError, ValueError, OverflowError, RecursionError):  # a type or a text that JSON has no form for
        return json.dumps({name: str(value) for name, value in fields.items()}).encode()


def content_id(content: bytes) -> str:
    """Return an id that equal contents share, so that a row that is sent twice is a duplicate and no other row is."""
    return blake2b(content, digest_size=EVENT_ID_BYTES).hexdigest()


def dated_value(body: bytes, timestamp_ms: int) -> bytes:
    """Return an event's JSON with its time, and with an id from its content where it has none of its own."""
    inner = body[1:-1]
    content = b"%b%b" % (inner + b"," if inner else b"", b'"timestamp":%d' % timestamp_ms)
    if body.startswith(OWN_ID):
        return b"{%b}" % content
    return b'{%b,"event_id":"%b"}' % (content, content_id(content).encode())
