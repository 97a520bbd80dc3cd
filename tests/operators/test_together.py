"""The operator of partners: from gathers to lists on a timer, over restarts, and until all is forgotten."""

from typing import Any

import pytest
from pyflink.datastream import TimeDomain

from operators.build import BUILD_ID
from operators.task import StaleCodeError
from operators.together import LISTS_AT_ONCE, PUBLISH_INTERVAL_MS, SLICE_MS, TogetherOperator
from state.configuration import Together
from state.together.listing import decode_list
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.state.together.test_counts import T0, basket, view

RULES = Together()


class Bench:
    """An opened operator over fakes of Flink; the clock stands until it is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rules: Together = RULES) -> None:
        self.now_ms = T0
        monkeypatch.setattr("operators.together.wall_clock_ms", lambda: self.now_ms)
        monkeypatch.setattr("operators.task.wall_clock_ms", lambda: self.now_ms)
        self.context, self.rules = Context(), rules
        self.context.domain = TimeDomain.PROCESSING_TIME
        self.runtime = RuntimeContext(self.context)
        self.restart()

    def restart(self) -> None:
        self.operator = TogetherOperator(self.rules, BUILD_ID)
        self.operator.open(self.runtime)

    def gather(self, lines: list[str], shard: str = "bought/0/1") -> None:
        self.context.key = shard
        self.operator.process_element(lines, self.context)

    def pass_time(self, by_ms: int) -> dict[bytes, Any]:
        """Fires the timers that are due by then, and those that these set; the lists that came of it."""
        end_ms, lists = self.now_ms + by_ms, dict[bytes, Any]()
        while due := sorted((at_ms, key) for key, at_ms in self.context.processing_timers if at_ms <= end_ms):
            at_ms, key = due[0]
            self.context.processing_timers.discard((key, at_ms))
            self.now_ms, self.context.key = max(self.now_ms, at_ms), key
            for row in self.operator.on_timer(at_ms, self.context):
                name, value = row._values
                lists[name] = None if value is None else [pair.product_id for pair in decode_list(value)]
        self.now_ms = end_ms
        return lists


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


FIVE = [line for _ in range(5) for line in basket("printer", "ink")]


def test_a_gather_becomes_lists_on_a_timer(bench: Bench) -> None:
    bench.gather(FIVE)
    bench.gather([line for _ in range(5) for line in view("desk", "lamp")], "viewed/0/1")
    lists = bench.pass_time(PUBLISH_INTERVAL_MS)
    assert lists == {
        b"together/bought/printer": ["ink"], b"together/bought/ink": ["printer"],
        b"together/viewed/desk": ["lamp"], b"together/viewed/lamp": ["desk"],
    }  # fmt: skip
    assert bench.pass_time(10 * PUBLISH_INTERVAL_MS) == {}
    counted = bench.runtime.counters
    assert counted["together_lists_published"].count == 4
    assert counted["together_lines_counted"].count == 15


def test_nothing_is_lost_by_a_restart_between_gather_and_timer(bench: Bench) -> None:
    bench.gather(FIVE[:6])
    bench.restart()
    bench.gather(FIVE[6:])
    bench.restart()
    assert bench.pass_time(PUBLISH_INTERVAL_MS)[b"together/bought/printer"] == ["ink"]


def test_more_pairs_than_allowed_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, Together(max_pairs=4))
    bench.gather(FIVE)
    assert bench.runtime.counters["together_pairs_left_out"].count == 6
    assert bench.runtime.counters["together_lines_counted"].count == 4


def test_many_lists_are_made_some_at_a_time_and_each_once_in_a_round(bench: Bench) -> None:
    lines = [line for number in range(LISTS_AT_ONCE) for line in basket(f"printer-{number}", f"ink-{number}")]
    for _ in range(5):
        bench.gather(lines)
    bench.now_ms = min(at_ms for _, at_ms in bench.context.processing_timers)
    assert len(bench.pass_time(0)) == LISTS_AT_ONCE
    bench.gather(lines)  # is for the next round
    assert len(bench.pass_time(SLICE_MS)) == LISTS_AT_ONCE
    assert bench.pass_time(PUBLISH_INTERVAL_MS - 2 * SLICE_MS) == {}
    bench.pass_time(PUBLISH_INTERVAL_MS)
    assert not bench.operator._load(bench.context).pending


def test_a_round_that_a_restart_cut_short_goes_on(bench: Bench) -> None:
    lines = [line for number in range(LISTS_AT_ONCE) for line in basket(f"printer-{number}", f"ink-{number}")]
    for _ in range(5):
        bench.gather(lines)
    bench.now_ms = min(at_ms for _, at_ms in bench.context.processing_timers)
    lists = bench.pass_time(0)
    bench.restart()
    lists |= bench.pass_time(PUBLISH_INTERVAL_MS)
    assert len(lists) == 2 * LISTS_AT_ONCE


def test_after_a_long_silence_nothing_is_held_and_the_lists_have_ended(bench: Bench) -> None:
    bench.gather(FIVE)
    bench.pass_time(PUBLISH_INTERVAL_MS)
    bench.restart()
    ended = bench.pass_time(8 * RULES.half_life_ms)
    assert ended == {b"together/bought/printer": None, b"together/bought/ink": None}
    assert not bench.context.processing_timers
    for state in (*bench.runtime.states.values(),):
        bench.context.key = "bought/0/1"
        assert state.value() is None
    for rows in bench.runtime.maps.values():
        assert list(rows.items()) == []


def test_lines_without_a_time_are_counted(bench: Bench) -> None:
    bench.gather(["", "x"])
    assert bench.runtime.counters["together_lines_unreadable"].count == 2


def test_other_code_than_the_clients_is_refused() -> None:
    with pytest.raises(StaleCodeError):
        TogetherOperator(RULES, "another").open(RuntimeContext(Context()))


def test_invented_products_beyond_the_bound_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(monkeypatch, Together(max_counted=10))
    bench.gather(FIVE)
    for number in range(100):
        bench.gather(basket(f"invented-{number}", "ink"))
    bench.context.key = "bought/0/1"
    rows = dict(bench.runtime.maps["rows"].items())
    assert len(rows) == 10
    assert {"printer", "ink"} <= rows.keys()
    assert bench.runtime.counters["together_products_left_out"].count == 92
