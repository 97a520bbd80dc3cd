"""Open-loop pacing with a clock of our own."""

import pytest

from cli.pacing import LONGEST_SLEEP_S, Pacer, RatePacer


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def test_events_leave_at_their_rate() -> None:
    clock = Clock()
    pacer = RatePacer(10, Pacer(clock, clock.sleep))
    moments = []
    for _ in range(21):
        pacer.step()
        moments.append(clock.now - 100.0)
    assert moments == pytest.approx([n / 10 for n in range(21)])


def test_a_delay_is_made_up_for() -> None:
    clock = Clock()
    pacer = RatePacer(10, Pacer(clock, clock.sleep))
    pacer.step()
    clock.now += 1.0
    before = len(clock.sleeps)
    for _ in range(10):
        pacer.step()
    assert len(clock.sleeps) == before
    pacer.step()
    assert clock.now == pytest.approx(101.1)


def test_without_a_rate_nothing_waits() -> None:
    clock = Clock()
    pacer = RatePacer(None, Pacer(clock, clock.sleep))
    for _ in range(100):
        pacer.step()
    assert clock.sleeps == []


def test_long_waits_come_in_pieces_and_call_idle() -> None:
    clock, calls = Clock(), []
    pacer = Pacer(clock, clock.sleep, lambda: calls.append(1))
    pacer.wait_until(0)
    pacer.wait_until(1)
    assert max(clock.sleeps) <= LONGEST_SLEEP_S
    assert calls
