"""CPU by process and thread: what two readings of /proc come to."""

from collections.abc import Mapping

from benchmarks.cpu_by_thread import ENDED, Reading, differences, table
from benchmarks.threads import parse_stat


def reading(
    threads: Mapping[str, dict[str, float]], ended_s: float = 0.0, events: int = 0, at_s: float = 0.0
) -> Reading:
    return Reading(
        {name: sum(found.values()) + ended_s for name, found in threads.items()}, dict(threads), events, at_s
    )


def test_the_busiest_come_first_and_times_are_of_a_second() -> None:
    before = reading({"redis": {"server": 1.0}, "broker": {"handler": 5.0, "network": 2.0}})
    after = reading({"redis": {"server": 1.5}, "broker": {"handler": 5.5, "network": 3.0}}, at_s=10.0)
    broker, redis = differences(before, after)
    assert (broker.process, broker.ms_per_s) == ("broker", 150.0)
    assert list(broker.threads.items())[:2] == [("network", 100.0), ("handler", 50.0)]
    assert (redis.process, redis.ms_per_s) == ("redis", 50.0)


def test_what_threads_used_that_ended_is_in_their_process() -> None:
    before, after = reading({"a": {"main": 1.0}}), reading({"a": {"main": 1.0}}, ended_s=2.0, at_s=4.0)
    [found] = differences(before, after)
    assert (found.ms_per_s, found.threads[ENDED]) == (500.0, 500.0)


def test_a_process_that_began_anew_counts_from_its_beginning() -> None:
    before, after = reading({"a": {"main": 90.0}}), reading({"a": {"main": 3.0}}, at_s=1.0)
    [found] = differences(before, after)
    assert found.ms_per_s == 3_000.0


def test_rows_have_the_cost_of_an_event_if_there_were_any() -> None:
    before = reading({"a": {"main": 0.0, "little": 0.0}})
    after = reading({"a": {"main": 2.0, "little": 0.001}}, events=1_000, at_s=10.0)
    figures = list(differences(before, after))
    rows = [line.split() for line in table(figures, 1_000, 10.0).splitlines()]
    assert ["a", "200.1", "2001.0"] in rows
    assert ["main", "200.0", "2000.0"] in rows
    assert ["(all", "others)", "0.1", "1.0"] in rows, "what is little is added up"
    assert ["a", "200.1"] in [line.split() for line in table(figures, 0, 10.0).splitlines()]


def test_threads_of_a_pool_are_added_up_and_names_may_hold_brackets() -> None:
    ticks = " ".join(["S", *["0"] * 10, "7", "3", "0"])
    assert parse_stat(f"12 (kafka-1 (a) #2) {ticks}") == ("kafka-1 (a", 10)
    assert parse_stat(f"12 (GC Thread#1) {ticks}") == ("GC Thread", 10)
