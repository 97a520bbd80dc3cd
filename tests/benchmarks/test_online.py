"""Click-through in windows, shares of the way, and their intervals."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.online.report import figures, table
from benchmarks.online.run import Load, Run
from benchmarks.online.windows import Window, Windows, best_for_everybody, click_through, pooled, share, side_by_side
from cli.simulate.lists import HELIOTROPE, POPULARITY, UNIFORM
from cli.simulate.results import Ratio, Results, Visit
from cli.simulate.session import demo_catalogue, read_shop
from cli.simulate.shop import best_mean, draw_shopper
from cli.simulate.visit import ITEMS_SEEN

CHANCES = {HELIOTROPE: 0.2, POPULARITY: 0.08, UNIFORM: 0.04}
BEST = 0.3


def visits(count: int, rng: np.random.Generator) -> list[Visit]:
    return [
        Visit(arm, pages=2, shown=10, clicks=int(rng.binomial(10, chance)), best=10 * BEST)
        for _ in range(count)
        for arm, chance in CHANCES.items()
    ]


def ratio(clicks: NDArray[np.int64]) -> Ratio:
    found = Ratio()
    for clicked in clicks.tolist():
        found.add(clicked, 10)
    return found


def run(seed: int, windows: int = 12) -> Run:
    rng, results, cut = np.random.default_rng(seed), Results(), Windows()
    for number in range(windows):
        for visit in visits(50, rng):
            results.add(visit)
        cut.close(results, 10.0 * (number + 1))
    return Run(seed, Load(20.0, 120.0), cut.closed, results.visits, 0, 0, 0, {"p50": 1.0}, (0.0, 0.0), "p")


def test_windows_sum_up_to_the_whole_and_hold_each_visit_once() -> None:
    rng, results, windows = np.random.default_rng(0), Results(), Windows()
    for number in range(4):
        for visit in visits(5 * (number + 1), rng):
            results.add(visit)
        windows.close(results, 10.0 * (number + 1))
    assert [window.arms["heliotrope"].visits for window in windows.closed] == [5, 10, 15, 20]
    assert [(window.start_s, window.end_s) for window in windows.closed] == [(0, 10), (10, 20), (20, 30), (30, 40)]
    whole = pooled(windows.closed)
    assert (whole.start_s, whole.end_s) == (0, 40)
    assert msgspec.structs.astuple(whole.arms["popularity"]) == pytest.approx(
        msgspec.structs.astuple(results.popularity)
    )


def test_what_ends_just_after_the_last_window_belongs_to_it() -> None:
    rng, results, windows = np.random.default_rng(0), Results(), Windows()
    for end_s in (10.0, 20.0, 20.4):
        for visit in visits(5, rng):
            results.add(visit)
        windows.close(results, end_s)
    assert [(window.start_s, window.end_s) for window in windows.closed] == [(0, 10), (10, 20.4)]
    assert windows.closed[-1].arms["uniform"].visits == 10


def test_runs_are_pooled_window_by_window() -> None:
    one, other = run(1), run(2, windows=13)
    together = side_by_side([one.windows, other.windows], 6)
    assert [(window.start_s, window.end_s) for window in together] == [(0, 60), (60, 120)]
    assert together[0].arms["best"].visits == 2 * 6 * 150
    with pytest.raises(ValueError, match="empty"):
        pooled([])


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, repeats, hits = np.random.default_rng(4), 400, np.zeros(2)
    best = ratio(np.full(200, 3))
    for _ in range(repeats):
        ours, chance = (ratio(rng.binomial(10, CHANCES[arm], size=200)) for arm in (HELIOTROPE, UNIFORM))
        found = click_through(ours), share(ours, chance, best)
        truths = 0.2, (0.2 - 0.04) / (0.3 - 0.04)
        hits += [one.low <= truth <= one.high for one, truth in zip(found, truths, strict=True)]
    assert hits / repeats == pytest.approx(0.95, abs=0.04), hits


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="two visits"):
        share(Ratio(), ratio(np.ones(9, dtype=np.int64)), ratio(np.full(9, 3)))


def test_no_list_that_is_the_same_for_all_reaches_the_best_for_each() -> None:
    shop = read_shop(demo_catalogue())
    rng = np.random.default_rng(8)
    chances = [shop.click_probabilities(draw_shopper(shop, rng)) for _ in range(2_000)]
    same = best_for_everybody(shop)
    assert same < 0.6 * np.mean([best_mean(one, ITEMS_SEEN) for one in chances])
    popular = np.mean(chances, axis=0)
    assert same > 2 * popular.mean()
    fixed = rng.choice(len(shop), size=(50, ITEMS_SEEN))
    assert (popular[fixed].mean(axis=1) < same).all()


def test_runs_come_back_from_json_and_make_figures_and_a_plot(tmp_path: Path) -> None:
    runs = msgspec.json.decode(msgspec.json.encode([run(1), run(2)]), type=list[Run])
    assert isinstance(runs[0].windows[0], Window)
    found = figures(runs)
    whole = found["all"]["share"]["heliotrope"]
    assert whole["low"] < (0.2 - 0.04) / (0.3 - 0.04) < whole["high"]
    assert found["all"]["share"]["popularity"]["high"] < whole["low"]
    assert len(found["minutes"]) == 2
    assert set(found["seeds"]) == {"1", "2"}
    assert table(found).row_count == 2 + 1 + 2
    pytest.importorskip("matplotlib")
    from benchmarks.online.plot import plot

    plot(runs, 0.1, tmp_path / "a.svg")
    plot(runs, 0.1, tmp_path / "b.svg")
    drawn = (tmp_path / "a.svg").read_bytes()
    assert drawn == (tmp_path / "b.svg").read_bytes()
    assert len(drawn) < 60_000
