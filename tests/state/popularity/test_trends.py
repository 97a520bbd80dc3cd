"""Baselines and trends: planted risers are found within a window, and little else is."""

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from state.configuration import Popularity
from state.popularity.baseline import Baseline
from state.popularity.trends import trends
from state.popularity.window import Counted

MINUTE = 60_000
HOUR = 60 * MINUTE
RULES = Popularity(top=50, tracked=200)


def counted(counts: dict[str, int], tracked: int = 10_000, total: int | None = None) -> Counted:
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return Counted(sum(counts.values()) if total is None else total, ranked[:tracked], [])


def fold(baseline: Baseline, end_ms: int, found: Counted, tracked: int = 10_000, half_life_ms: int = 24 * HOUR) -> None:
    baseline.fold(
        end_ms, found.total, found.products, window_ms=HOUR, half_life_ms=half_life_ms, tracked=tracked
    )  # fmt: skip


def test_the_mean_is_decayed_by_whole_windows_and_missing_ones_count_as_zeros() -> None:
    baseline = Baseline()
    fold(baseline, 10 * HOUR, counted({"a": 100, "b": 10}), half_life_ms=2 * HOUR)
    fold(baseline, 12 * HOUR, counted({"a": 40}), half_life_ms=2 * HOUR)
    step = 0.5**0.5
    assert baseline.sums == pytest.approx({"a": 100 * 0.5 + 40, "b": 10 * 0.5})
    assert baseline.weight == pytest.approx(1 + step + 0.5)
    assert baseline.squares == pytest.approx(1 + 0.5 + 0.25)
    assert baseline.total == pytest.approx(95)
    before = baseline.encode()
    fold(baseline, 12 * HOUR, counted({"a": 9_999}))
    assert baseline.encode() == before
    assert Baseline.decode(before) == baseline


def test_with_equal_weights_the_mean_is_plain() -> None:
    baseline = Baseline()
    for hour in range(1, 11):
        fold(baseline, hour * HOUR, counted({"a": hour}), half_life_ms=10**12)
    assert baseline.sum_of("a") / baseline.weight == pytest.approx(5.5, rel=1e-3)
    assert baseline.windows == pytest.approx(10, rel=1e-3)


def test_a_baseline_is_never_below_what_was_counted_and_is_bounded() -> None:
    rng = np.random.default_rng(3)
    baseline, exact, weight = Baseline(), Counter[str](), 0.0
    rates = 300 / np.arange(1, 301)
    for hour in range(1, 40):
        counts = {
            f"p{i}": int(n) for i, n in enumerate(rng.poisson(rng.permutation(rates) if hour % 3 else rates)) if n
        }
        fold(baseline, hour * HOUR, counted(counts, tracked=30), tracked=30)
        step = 2.0 ** (-1 / 24)
        weight = step * weight + 1
        exact = Counter({name: step * value for name, value in exact.items()})
        exact.update(counts)
        assert len(baseline.sums) <= 60
        assert all(baseline.sum_of(name) >= value - 1e-9 for name, value in exact.items())
    assert baseline.weight == pytest.approx(weight)


def test_a_product_that_was_not_tracked_is_taken_to_have_had_the_lowest_count_of_a_full_list() -> None:
    baseline = Baseline()
    fold(baseline, HOUR, counted({"a": 50, "b": 30, "c": 20}, tracked=2), tracked=2)
    assert (baseline.sum_of("c"), baseline.sum_of("unseen")) == (30, 30)
    half_full = Baseline()
    fold(half_full, HOUR, counted({"a": 50}, tracked=2), tracked=2)
    assert half_full.sum_of("c") == 0


def test_until_a_window_was_folded_trends_are_by_count() -> None:
    found = counted({"a": 60, "b": 30, "c": 10})
    for baseline in (None, Baseline()):
        assert trends(found, baseline, RULES) == [("a", 60, 0.6), ("b", 30, 0.3)]


def test_trends_by_count_need_support_and_are_the_most_counted() -> None:
    baseline = Baseline()
    fold(baseline, HOUR, counted({"a": 60, "b": 30, "c": 30, "d": 19}))
    rules = Popularity(trend="count", top=2)
    found = trends(counted({"a": 60, "c": 30, "b": 30, "d": 19}, total=200), baseline, rules)
    assert found == [("a", 60, 0.3), ("b", 30, 0.15)]


def test_a_whole_region_that_grows_makes_no_trend_and_one_product_against_it_does() -> None:
    """An evening brings four times the views of a night."""
    baseline = Baseline()
    night = {f"p{i}": 100 for i in range(50)}
    for hour in range(1, 30):
        fold(baseline, hour * HOUR, counted(night))
    evening = {name: 4 * count for name, count in night.items()}
    assert trends(counted(evening), baseline, RULES) == []
    [(product, count, score)] = trends(counted(evening | {"p7": 800}), baseline, RULES)
    assert (product, count) == ("p7", 800)
    assert 0.3 < score < 0.5


def test_a_first_window_of_a_minute_raises_no_alarm() -> None:
    """A job that starts a minute before the hour has counted a sixtieth of what follows."""
    rng, baseline = np.random.default_rng(5), Baseline()
    rates = {f"p{i}": 30.0 + i for i in range(100)}
    fold(baseline, HOUR, counted({name: int(n) for name, rate in rates.items() if (n := rng.poisson(rate / 60))}))
    found = trends(counted({name: int(rng.poisson(rate)) for name, rate in rates.items()}), baseline, RULES)
    assert len(found) <= 1


def test_a_score_is_above_zero_from_the_significance_on_and_grows_with_the_rise() -> None:
    baseline = Baseline()
    for hour in range(1, 30):
        fold(baseline, hour * HOUR, counted({"a": 100, "rest": 10_000}))
    scores = [{p: s for p, _, s in trends(counted({"a": n, "rest": 10_000}), baseline, RULES)} for n in
              (100, 120, 134, 160, 400)]  # fmt: skip
    risen = [score.get("a", 0.0) for score in scores]
    assert risen[:2] == [0.0, 0.0]
    assert 0 < risen[3] < risen[4] < 1


class Planted(NamedTuple):
    """A day of minutes; counts (minutes, products). `risers` rise at the beginning of the minute `at`."""

    counts: NDArray[np.int64]
    risers: dict[str, float]
    at: int


def planted(seed: int, products: int = 2_000, views: float = 20_000.0, hours: int = 14) -> Planted:
    """Views per hour as Zipf has them, with the day's rhythm over all of them; risers of the middle and of the tail."""
    rng = np.random.default_rng(seed)
    rates = 1 / np.arange(1, products + 1)
    rates *= views / rates.sum()
    minutes = np.arange(hours * 60)
    rhythm = 1 + 0.6 * np.sin(2 * np.pi * minutes / (24 * 60))
    expected = rhythm[:, None] * rates[None, :] / 60
    risers, at = {150: 6.0, 700: 25.0, 1_900: 80.0}, 12 * 60 + 7
    for product, factor in risers.items():
        expected[at:, product] *= factor
    return Planted(rng.poisson(expected), {f"p{i}": f for i, f in risers.items()}, at)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_planted_risers_are_found_within_a_window_among_steady_products(seed: int) -> None:
    """The windows slide by five minutes over two thousand products, of which the list holds the two hundred most viewed."""
    world, baseline = planted(seed), Baseline()
    found_at: dict[str, int] = {}
    alarms: Counter[str] = Counter()
    windows = 0
    for minute in range(60, len(world.counts) + 1, 5):
        views = world.counts[minute - 60 : minute].sum(axis=0)
        found = counted({f"p{i}": int(n) for i, n in enumerate(views) if n}, tracked=200)
        listed = {product for product, _, _ in trends(found, baseline, RULES)} if baseline.folded_ms else set()
        for product in listed:
            if product in world.risers and minute > world.at:
                found_at.setdefault(product, minute)
            else:
                alarms[product] += 1
        windows += bool(baseline.folded_ms)
        if minute % 60 == 0:
            fold(baseline, minute * MINUTE, found, tracked=200)
    assert set(found_at) == set(world.risers)
    assert max(found_at.values()) <= world.at + 60
    assert sum(alarms.values()) / windows < 0.1  # of two hundred products in each window
    assert len(alarms) <= 5


def test_a_product_beyond_the_list_that_rises_into_it_is_found() -> None:
    baseline = Baseline()
    usual = {f"p{i}": 200 - i for i in range(150)}
    for hour in range(1, 10):
        fold(baseline, hour * HOUR, counted(usual, tracked=100), tracked=100)
    rules = Popularity(top=100, tracked=100)
    found = trends(counted(usual | {"p149": 190}, tracked=100), baseline, rules)
    assert [product for product, _, _ in found] == ["p149"]
