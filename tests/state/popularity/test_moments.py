"""Counts by moment, and what a moment says of categories."""

from math import log

import pytest

from state.popularity.moments import MOST_CATEGORIES, MOST_MOMENTS, PRIOR_VIEWS, Moment, Moments, lift

HOUR = 3_600_000
DAY = 24 * HOUR


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_views_decay_by_their_half_life_in_whatever_order_the_windows_come(order: tuple[int, ...]) -> None:
    moment = Moment(0, 0.0, {})
    windows = [(DAY, {"x": 80, "y": 20}), (3 * DAY, {"x": 1})]
    for place in order:
        moment.add(*windows[place], half_life_ms=DAY)
    assert moment.as_of_ms == 3 * DAY
    assert moment.views == pytest.approx({"x": 21, "y": 5})
    assert moment.total == pytest.approx(26)
    assert moment.total_at(4 * DAY, DAY) == pytest.approx(13)
    assert Moment.decode(moment.encode()) == moment


def test_a_moment_is_bounded_in_categories_and_its_total_is_not() -> None:
    moment = Moment(0, 0.0, {})
    moment.add(DAY, {f"c{i}": i + 1 for i in range(2 * MOST_CATEGORIES)}, DAY)
    assert len(moment.views) == MOST_CATEGORIES
    assert min(moment.views.values()) == MOST_CATEGORIES + 1
    assert moment.total == MOST_CATEGORIES * (2 * MOST_CATEGORIES + 1)


def test_moments_are_bounded_and_the_least_used_goes_first_and_the_whole_never() -> None:
    moments = Moments.decode(None)
    assert moments.add(HOUR, {"": {"x": 1}, "old": {"x": 100}} | {f"m{i}": {"x": 10} for i in range(498)}, DAY) == []
    assert moments.add(8 * DAY, {"new": {"x": 1}, "": {"x": 1}}, DAY) == []
    assert len(moments.moments) == MOST_MOMENTS + 1
    moments = Moments.decode(moments.encode())
    gone = moments.add(8 * DAY + HOUR, {"newest": {"x": 1}, "old": {"x": 1}}, DAY)
    assert len(gone) == 1
    assert gone[0].startswith("m")
    assert {"", "old", "new", "newest"} <= moments.moments.keys()


def test_a_lift_is_the_log_ratio_of_shares_shrunk_by_its_evidence() -> None:
    whole = Moment(0, 10_000, {"umbrellas": 1_000, "shoes": 9_000})
    rain = Moment(0, 900, {"umbrellas": 300, "shoes": 600})
    found = lift([rain], whole)
    expected = log((300 + PRIOR_VIEWS * 0.1) / ((900 + PRIOR_VIEWS) * 0.1))
    assert found["umbrellas"] == pytest.approx(expected)
    assert 0 < found["umbrellas"] < log((300 / 900) / 0.1)
    assert found["shoes"] < 0
    rarely = Moment(0, 9, {"umbrellas": 3, "shoes": 6})
    assert 0 < lift([rarely], whole)["umbrellas"] < 0.25 * expected


def test_a_moment_like_all_others_says_nothing_and_much_evidence_outweighs_little() -> None:
    whole = Moment(0, 10_000, {"umbrellas": 1_000, "shoes": 9_000})
    same = Moment(0, 5_000, {"umbrellas": 500, "shoes": 4_500})
    rain = Moment(0, 900, {"umbrellas": 300, "shoes": 600})
    hail = Moment(0, 2, {"shoes": 2})
    assert lift([same], whole) == pytest.approx({"umbrellas": 0, "shoes": 0})
    alone, blended = lift([rain], whole)["umbrellas"], lift([rain, hail], whole)["umbrellas"]
    assert 0.9 * alone < blended < alone
    assert lift([], whole) == {}
    assert lift([rain], None) == {}


def test_a_category_that_a_full_moment_does_not_name_is_neither_lifted_nor_lowered() -> None:
    names = {f"c{i}": 10.0 for i in range(MOST_CATEGORIES)}
    whole = Moment(0, 12_000, {"rare": 1_000.0} | names)
    assert lift([Moment(0, 6_000, names)], whole)["rare"] == 0
    assert lift([Moment(0, 6_000, {"c0": 6_000.0})], whole)["rare"] < -2
