"""Rate limits: who is counted, what passes, and that memory is bounded."""

import pytest

from serving.collection.counts import Counts
from serving.collection.rates import Rates, network_of
from serving.problems import Refusal
from state.configuration import RateLimits


def refused(rates: Rates, key: str = "k", address: str = "10.0.0.1", session: str = "s", events: int = 1) -> bool:
    try:
        rates.take(key, address, [session] * events, events)
    except Refusal as refusal:
        found = refusal
    else:
        return False
    assert (found.status_code, found.headers is not None) == (429, True)
    assert 1 <= int((found.headers or {})["retry-after"]) <= 3_600
    return True


@pytest.mark.parametrize("what", ["key", "session", "address"])
def test_each_limit_counts_its_own(what: str) -> None:
    rates = Rates(RateLimits(**{"key": "", "session": "", "address": "", what: "3/hour"}))
    same = {what: "10.0.0.9" if what == "address" else "same"}
    other = {what: "10.0.0.8" if what == "address" else "other"}
    assert [refused(rates, **same) for _ in range(5)] == [False, False, False, True, True]  # type: ignore[arg-type]
    assert not refused(rates, **other)  # type: ignore[arg-type]


def test_a_batch_larger_than_the_limit_passes_once() -> None:
    rates = Rates(RateLimits(session="10/hour"))
    assert [refused(rates, events=100), refused(rates)] == [False, True]


def test_without_limits_nothing_is_refused() -> None:
    rates = Rates(RateLimits(key="", session="", address=""))
    assert not any(refused(rates, events=100) for _ in range(50))


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_address_is_counted_by_what_one_person_has(address: str, counted: str) -> None:
    assert network_of(address) == counted


def test_windows_end_and_their_memory_with_them() -> None:
    now = 1_000.0
    counts = Counts(most=50, clock=lambda: now)
    assert [counts.incr("a", 60), counts.incr("a", 60, 5)] == [1, 6]
    assert (counts.get("a"), counts.get_expiry("a")) == (6, 1_060.0)
    now = 1_060.0
    assert (counts.get("a"), counts.incr("b", 60)) == (0, 1)
    assert len(counts) == 1


def test_made_up_keys_cannot_fill_the_memory() -> None:
    counts = Counts(most=50, clock=lambda: 1_000.0)
    for number in range(1_000):
        counts.incr(f"key-{number}", 60)
    assert len(counts) <= 50
