"""Latency under open-loop load: what is due when, and which announcement answers for which event."""

import math
import struct

import numpy as np
import pytest
from kafka.record.memory_records import MemoryRecords

from benchmarks.latency import arrivals, summary
from benchmarks.listener import CHUNK, announcements
from benchmarks.load import THINK_S, TICK_S, expected_versions, planned, ticks
from benchmarks.traffic import LENGTH_SHARES

BEGIN = 1_763_770_000.0


def test_events_are_due_at_an_even_pace_and_say_so() -> None:
    events, due = planned(rate=100, seconds=5.0, seed=1, begin=BEGIN)
    assert np.allclose(np.diff(due), 0.01, atol=1e-6)
    assert events.times_ms.tolist() == [int(at * 1_000) for at in due]


def test_sessions_are_as_long_as_real_ones_or_last() -> None:
    events, _ = planned(rate=2_000, seconds=10.0, seed=1, begin=BEGIN)
    lengths = np.unique(events.sessions, return_counts=True)[1]
    assert (lengths == 1).mean() == pytest.approx(LENGTH_SHARES[0], abs=0.02)
    assert lengths.max() == len(LENGTH_SHARES)
    lasting, _ = planned(rate=100, seconds=100.0, seed=1, begin=BEGIN, lasting=True)
    lengths = np.unique(lasting.sessions, return_counts=True)[1]
    assert len(lengths) == pytest.approx(100 * THINK_S, rel=0.02)
    assert lengths.mean() == pytest.approx(100 / THINK_S, rel=0.02)


def test_every_event_goes_out_once_and_not_before_it_is_due() -> None:
    events, due = planned(rate=2_000, seconds=1.0, seed=1, begin=BEGIN)
    requests = ticks(events, due, "shop", partitions=4)
    sent_at = [at for at, data in requests for _ in range(_records(data))]
    assert len(sent_at) == len(due)
    waits = np.array(sent_at) - due
    assert waits.min() > -1e-6
    assert waits.max() <= TICK_S + 1e-6


def test_an_event_is_answered_by_its_own_version_or_a_later_one() -> None:
    events, _ = planned(rate=1, seconds=4.0, seed=1, begin=BEGIN)
    events = events._replace(sessions=np.array([0, 1, 0, 0]))
    assert [version for _, version in expected_versions(events)] == [1, 1, 2, 3]
    first, second = expected_versions(events)[0][0], expected_versions(events)[1][0]
    heard = [(10.0, first, 2), (11.0, first, 2), (12.0, second, 1)]
    found = arrivals(events, heard)
    assert found[:3].tolist() == [10.0, 12.0, 10.0]
    assert math.isnan(found[3])


def test_what_did_not_arrive_counts_with_how_long_was_waited() -> None:
    found = summary(np.array([0.010] * 98 + [np.nan, np.nan]), np.full(100, 5.0))
    assert found["missing"] == 2
    assert found["p50"] == pytest.approx(10.0)
    assert found["p999"] == pytest.approx(5_000.0)
    assert found["events"] == 100


def test_announcements_are_read_whatever_pieces_they_come_in() -> None:
    text = b"".join(
        b'*3\r\n$7\r\nmessage\r\n$3\r\nx:y\r\n$50\r\n{"session_id":"s-%d","version":%d,"updated_at":1}\r\n' % (n, n + 1)
        for n in range(20)
    )
    for size in (7, 61, len(text)):
        pieces = [text[at : at + size] for at in range(0, len(text), size)]
        data = b"".join(CHUNK.pack(float(number), len(piece)) + piece for number, piece in enumerate(pieces))
        found = list(announcements(data))
        assert [(session, version) for _, session, version in found] == [(f"s-{n}", n + 1) for n in range(20)]
        assert found[-1][0] <= len(pieces) - 1


def _records(data: bytes) -> int:
    """Records in a produce request for the topic `shop`."""
    at = data.index(b"\0\x04shop") + 6
    (partitions,) = struct.unpack_from(">i", data, at)
    at, count = at + 4, 0
    for _ in range(partitions):
        _, length = struct.unpack_from(">ii", data, at)
        found = MemoryRecords(data[at + 8 : at + 8 + length]).next_batch()
        count += len(list(found))
        at += 8 + length
    return count
