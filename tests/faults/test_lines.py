"""The hostile lines are what they claim to be."""

import time

from state.events.event import read_event
from state.events.rejection import Rejection
from tests.faults.lines import hostile


def test_every_hostile_line_is_refused_and_they_repeat_themselves_by_their_seed() -> None:
    lines = hostile(424, 9)
    now_ms = time.time_ns() // 1_000_000
    found = [read_event(line, now_ms=now_ms, max_bytes=65_536, max_future_ms=300_000) for line in lines]
    assert [line for line, event in zip(lines, found, strict=True) if not isinstance(event, Rejection)] == []
    assert len({event.reason for event in found if isinstance(event, Rejection)}) >= 10
    assert [len(line or b"") for line in hostile(424, 9)] == [len(line or b"") for line in lines]
