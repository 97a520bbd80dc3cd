"""What is made of the benchmarks' runs: windows, ratios, spreads, profiles."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cpu import difference
from benchmarks.sampler import Sampler, collapsed, own_and_total, read_collapsed
from benchmarks.sections import latency, scaling, throughput
from benchmarks.stages import STAGES, Clock, sizes, stage_costs
from benchmarks.summary import ratios, row
from benchmarks.threads import busiest, parse_stat
from benchmarks.window import PATIENCE_S, watch


class Run:
    """A run's count at each look, a second apart."""

    def __init__(self, counts: list[int]) -> None:
        self._counts: Iterator[int] = iter(counts)
        self._last = 0
        self.now = 0.0

    def processed(self) -> int:
        self._last = next(self._counts, self._last)
        return self._last

    def pause(self, seconds: float) -> None:
        if seconds:
            self.now += max(1.0, seconds)

    def watch(self, lead: int, expected: int, longest_s: float) -> Any:
        return watch(self.processed, lead, expected, longest_s, lambda: self.now, lambda: self.now, self.pause)


def test_a_window_begins_with_a_change_after_the_lead_and_ends_with_the_last_event() -> None:
    window = Run([0, 50, 120, 220, 400, 500]).watch(lead=100, expected=400, longest_s=10.0)
    assert (window.events, window.seconds, window.complete) == (400 - 120, 9.0, True)
    assert (window.before, window.after) == (2.0, 11.0)


def test_a_window_ends_at_its_limit_with_a_reading_that_has_just_changed() -> None:
    window = Run([0, 100, 200, 300, 300, 300, 500, 500]).watch(lead=100, expected=10_000, longest_s=3.0)
    assert (window.events, window.seconds, window.complete) == (400, 5.0, False)


def test_a_run_is_left_alone_until_shortly_before_its_limit() -> None:
    window = Run([0, 100, 200, 300, 400]).watch(lead=100, expected=10_000, longest_s=15.0)
    assert (window.events, window.seconds) == (300, 12.0 + 3.0)


def test_events_beyond_the_expected_ones_do_not_count() -> None:
    window = Run([0, 100, 405]).watch(lead=100, expected=400, longest_s=60.0)
    assert window.events == 300


def test_a_run_that_stands_still_is_given_up() -> None:
    run = Run([0, 100])
    with pytest.raises(TimeoutError, match="stands still at 100 of 400"):
        run.watch(lead=100, expected=400, longest_s=5.0)
    assert run.now <= PATIENCE_S + 10
    with pytest.raises(TimeoutError, match="of the lead"):
        Run([0, 10]).watch(lead=100, expected=400, longest_s=5.0)


def _job(rate: float, slates: float = 0.9, per_cpu: float = 100.0) -> dict[str, Any]:
    return {"events_per_second": rate, "slates_per_event": slates, "events_per_cpu_second": per_cpu, "checkpoint": {}}


def test_the_better_number_of_task_managers_counts_and_ratios_are_of_the_same_round() -> None:
    runs = {
        "plain": [_job(100.0), _job(200.0), _job(100.0)],
        "job_1": [_job(1_000.0), _job(2_000.0), _job(1_500.0)],
        "floor_1": [_job(10_000.0), _job(10_000.0), _job(10_000.0)],
        "job_2": [_job(1_200.0, 0.8, 50.0), _job(2_400.0, 0.7, 80.0), _job(1_800.0, 0.6, 90.0)],
        "floor_2": [_job(12_000.0), _job(12_000.0), _job(12_000.0)],
    }
    found = throughput.figures(runs).values
    assert found["task_managers"] == 2
    assert found["events_per_second"] == 1_800.0
    assert found["throughput_vs_plain_loop"] == pytest.approx(12.0)
    assert found["throughput_vs_floor"] == pytest.approx(0.15)
    assert found["slates_per_event"] == 0.7
    assert found["cpu_efficiency_2_task_managers"] == 0.8


def test_a_single_round_needs_the_floor_of_the_better_number_only() -> None:
    runs = {
        "plain": [_job(100.0)],
        "job_1": [_job(300.0)],
        "job_2": [_job(200.0)],
        "floor_1": [_job(3_000.0)],
        "floor_2": [],
    }
    assert throughput.figures(runs).values["throughput_vs_floor"] == pytest.approx(0.1)


def test_figures_of_scaling_and_latency_have_their_names() -> None:
    runs = {"sessions_1000": [_job(100.0)], "sessions_1000000": [_job(90.0)], "candidates_10": [_job(120.0)]}
    scaled = scaling.figures(runs).values
    assert scaled["throughput_1e6_vs_1e3_sessions"] == pytest.approx(0.9)
    assert scaled["events_per_second_by_candidates"] == {"10": 120.0}
    quantiles = {"p50": 1.0, "p95": 2.0, "p99": 3.0, "p999": 4.0}
    values = latency.figures(
        {"latency_1000_ms": {"rate": 1_000, "lasting_sessions": False, "missing": 0, **quantiles}}, 1
    ).values
    assert values["latency_1000_ms"] == quantiles


def test_medians_and_spreads() -> None:
    assert row("x", [3.0, 1.0, 2.0])[1:4] == (2.0, 1.0, 3.0)
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]
    with pytest.raises(ValueError, match="zip"):
        ratios([1.0], [])
    assert difference({"kafka": 1.0}, {"kafka": 3.5, "redis": 1.0}) == {"kafka": 2.5}


def test_stacks_are_written_and_read_back() -> None:
    stacks = {("a.py:main", "b.py:work:10"): 3, ("a.py:main", "b.py:work", "c.py:deep:5"): 2, ("x.py:other:1",): 9}
    assert read_collapsed(collapsed(stacks)) == stacks
    own, total = own_and_total(stacks, "b.py")
    assert own == {"b.py:work:10": 3, "c.py:deep:5": 2}
    assert total == {"a.py:main": 5, "b.py:work": 5, "c.py:deep": 2}


def test_a_sampler_sees_the_other_threads_while_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "go").touch()
    release = threading.Event()

    def wait_here() -> None:
        release.wait()

    thread = threading.Thread(target=wait_here)
    thread.start()
    sampler = Sampler(tmp_path, "taskmanager-0")
    sampler.start()
    while not sampler.samples:
        threading.Event().wait(0.001)
    sampler.stop()
    release.set()
    thread.join()
    stacks = read_collapsed((tmp_path / "taskmanager-0.txt").read_text(encoding="utf-8"))
    assert any("wait_here" in name for stack in stacks for name in stack)


def test_threads_of_a_pool_are_one() -> None:
    line = "12 (session (1/2)#0) S " + " ".join(["0"] * 10) + " 30 12 0 0"
    assert parse_stat(line) == ("session", 42)
    assert list(busiest({"a": 1.0}, {"a": 1.5, "b": 3.0, "c": 0.01})) == [("b", 3.0), ("a", 0.5)]


def test_a_clock_gives_each_stage_its_own_time_alone() -> None:
    clock = Clock(now=iter([0.0, 1.0, 4.0, 6.0]).__next__)
    clock.begin("outer")
    clock.begin("inner")
    clock.end()
    clock.end()
    assert clock.seconds == {"outer": 3.0, "inner": 3.0}


def test_every_stage_is_reached_and_nothing_stays_patched() -> None:
    before = [vars(stage.owner)[stage.attribute] for stage in STAGES]
    assert set(stage_costs(50)) >= {stage.name for stage in STAGES} - {"publish"}
    assert [vars(stage.owner)[stage.attribute] for stage in STAGES] == before


def test_sizes_are_of_sessions_with_fifty_events() -> None:
    found = sizes(sessions=3)
    assert 500 < found["state"] < found["state"] + found["exposures"] < 16_384
    assert 500 < found["profile"] <= 4_096
