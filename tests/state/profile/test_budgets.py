"""What is kept within bounds: the memory of Redis, and the dead letters of a flood."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from state.events.dead_letter_budget import BURST_S, DeadLetterBudget
from state.events.rejection import Origin, Reason
from state.profile.memory_budget import MemoryBudget, MemoryLevel

ORIGIN = Origin("user_interactions", 3, 41, 1_700)
HOUR_MS = 3_600_000


def test_memory_that_is_tight_shortens_the_life_of_sessions_of_one_event_first() -> None:
    budget = MemoryBudget(1_000, HOUR_MS)
    assert [budget.life_ms(version) for version in (0, 1, 2)] == [0, 0, 0]
    assert budget.observe(900)
    assert budget.level == MemoryLevel.TIGHT
    assert [budget.life_ms(version) for version in (0, 1, 2)] == [HOUR_MS, HOUR_MS, 0]
    assert budget.observe(1_000)
    assert [budget.life_ms(version) for version in (0, 1, 2)] == [None, None, HOUR_MS]
    assert budget.life_ms(2, 500) == 500, "a life that is shorter anyway stays"


def test_a_level_ends_only_when_there_is_room_again() -> None:
    budget = MemoryBudget(1_000, HOUR_MS)
    levels = []
    for used_bytes in (1_000, 999, 951, 949, 899, 851, 849):
        budget.observe(used_bytes)
        levels.append(budget.level.name)
    assert levels == ["FULL", "FULL", "FULL", "TIGHT", "TIGHT", "TIGHT", "ROOMY"]


def test_without_a_bound_memory_is_roomy() -> None:
    budget = MemoryBudget(None, HOUR_MS)
    assert not budget.observe(10**15)
    assert budget.life_ms(1) == 0


def test_a_flood_stores_its_burst_and_then_so_many_a_second_and_counts_the_rest_by_reason() -> None:
    budget = DeadLetterBudget(2)
    burst = sum(budget.allows(Reason.NOT_JSON, ORIGIN, 1_000_000) for _ in range(3 * BURST_S))
    assert burst == 2 * BURST_S
    assert budget.allows(Reason.EMPTY, ORIGIN, 1_000_500)
    assert not budget.allows(Reason.EMPTY, ORIGIN, 1_000_500)
    taken = budget.drain()
    assert taken is not None
    count, letter = taken
    assert count == BURST_S + 1
    said = msgspec.json.decode(letter)
    assert said["reason"] == "not_stored"
    assert said["not_stored"] == {"not_json": BURST_S, "empty": 1}
    assert (said["topic"], said["partition"], said["offset"], said["payload_bytes"]) == ("user_interactions", 3, 41, 0)
    assert budget.drain() is None


@given(
    st.integers(1, 50),
    st.lists(st.tuples(st.sampled_from(list(Reason)), st.integers(0, 5_000), st.booleans()), max_size=400),
)
def test_every_dead_letter_is_stored_or_counted(per_second: int, letters: list[tuple[Reason, int, bool]]) -> None:
    budget, counted, now_ms = DeadLetterBudget(per_second), Counter[str](), 0
    budget._tokens = budget._most = 5.0
    for reason, passed_ms, is_end_of_call in letters:
        now_ms += passed_ms
        counted[reason] += budget.allows(reason, ORIGIN, now_ms)
        if is_end_of_call and (taken := budget.drain()):
            counted.update(msgspec.json.decode(taken[1])["not_stored"])
    if taken := budget.drain():
        counted.update(msgspec.json.decode(taken[1])["not_stored"])
    assert +counted == Counter(reason for reason, _, _ in letters)


def test_without_a_bound_all_are_stored() -> None:
    budget = DeadLetterBudget(None)
    assert all(budget.allows(Reason.EMPTY, ORIGIN, 0) for _ in range(10_000))
    assert budget.drain() is None
