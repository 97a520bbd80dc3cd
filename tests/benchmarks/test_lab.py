"""The laboratory's shops: deterministic by seed, and their scale runs from uniform choice to the true best."""

import numpy as np
import pytest

from benchmarks.lab.methods import make_method
from benchmarks.lab.report import markdown, summary
from benchmarks.lab.shares import Run, difference, interval, run_once, share
from benchmarks.lab.simple import Optimum, Uniform
from benchmarks.lab.spec import NAMES, shop
from benchmarks.lab.truth import START_MS, Truth
from benchmarks.lab.vowpal import VARIANTS
from benchmarks.lab.world import World
from state.events.event import Event

VISITORS = 12


@pytest.mark.parametrize("name", NAMES)
def test_a_shop_follows_from_its_seed(name: str) -> None:
    first, second = (World(shop(name, 3, VISITORS), 3).run(Uniform(3)) for _ in range(2))
    other = World(shop(name, 4, VISITORS), 4).run(Uniform(4))
    assert np.array_equal(first, second)
    assert not np.array_equal(first[:5], other[:5])


@pytest.mark.parametrize("name", NAMES)
def test_no_slate_is_worth_more_than_the_best(name: str) -> None:
    truth = Truth(shop(name, 5, VISITORS), 5)
    rng = np.random.default_rng(5)
    for number in range(5):
        chances = truth.chances(truth.visitor(number), START_MS)
        best = truth.slate_value(chances, truth.best_slate(chances))
        listed = np.flatnonzero(chances)
        for _ in range(200):
            slate = rng.choice(listed, size=truth.spec.shown, replace=False).tolist()
            assert truth.slate_value(chances, slate) <= best + 1e-12
        assert truth.uniform_value(chances, START_MS) <= best


@pytest.mark.parametrize("name", NAMES)
def test_the_optimum_has_all_of_the_way(name: str) -> None:
    world = World(shop(name, 6, VISITORS), 6)
    assert share(world.run(Optimum(world))) == pytest.approx(1.0, abs=1e-9)


class Heard(Uniform):
    """Shows pages by chance, and keeps the events."""

    def __init__(self) -> None:
        super().__init__(9)
        self.events: dict[str, list[Event]] = {}

    def event(self, event: Event, now_ms: int) -> None:
        self.events.setdefault(event.session_id, []).append(event)


@pytest.mark.parametrize(("name", "acts_once"), [("one_item", True), ("by_region", True), ("linear", False)])
def test_some_visitors_act_on_one_item_of_a_page(name: str, acts_once: bool) -> None:
    heard = Heard()
    World(shop(name, 9, 100), 9).run(heard)
    most = 0
    for events in heard.events.values():
        clicked: set[str] = set()
        for event in events:
            if event.event_type == "impression":
                clicked = set()
            elif event.decision_id is not None:
                clicked.update(event.products())
                most = max(most, len(clicked))
    assert (most == 1) == acts_once


@pytest.mark.parametrize(("name", "lands_anywhere"), [("by_region", True), ("by_device", True), ("logistic", False)])
def test_some_visitors_have_not_looked_around_before_the_first_page(name: str, lands_anywhere: bool) -> None:
    heard, world = Heard(), World(shop(name, 9, 100), 9)
    world.run(heard)
    before, fitting = [], []
    for session_id, events in heard.events.items():
        kinds = [event.event_type for event in events]
        match = world.truth.visitor(world.sessions[session_id]).match
        before.append(kinds.index("impression"))
        fitting.append(match[int((events[0].category_id or "").removeprefix("category-"))])
    assert (max(before) == 1) == lands_anywhere
    assert (min(fitting) < 0.05) == lands_anywhere, "who looks around goes to what they like"


def test_uniform_choice_has_nothing_of_the_way() -> None:
    run = run_once("position_bias", "uniform", 7, 300)
    assert abs(run.share) < 0.02


def test_all_methods_meet_the_same_visitors() -> None:
    pages = {}
    for name in ("uniform", "popularity", "thompson_linear", "river_epsilon"):
        world = World(shop("new_products", 8, VISITORS), 8)
        pages[name] = len(world.run(make_method(name, world, 8)))
    assert len(set(pages.values())) == 1


@pytest.mark.parametrize("name", ["thompson_linear", "vw_bag", "river_thompson", "river_lin_ucb"])
def test_a_run_can_be_repeated(name: str) -> None:
    if name in VARIANTS:
        pytest.importorskip("vowpalwabbit")
    assert run_once("linear", name, 9, VISITORS).share == run_once("linear", name, 9, VISITORS).share


def test_differences_are_paired_by_seed() -> None:
    def run(seed: int, value: float) -> Run:
        return Run("linear", "any", seed, 1, 1, value, value, [], 0.0)

    ours, theirs = [run(seed, 0.1 * seed + 0.05) for seed in range(5)], [run(seed, 0.1 * seed) for seed in range(5)]
    found = difference(ours, theirs)
    assert (found.low, found.mean, found.high) == pytest.approx((0.05, 0.05, 0.05))
    assert interval([0.5]).low == interval([0.5]).high == 0.5


def test_the_table_names_the_best_competitor_and_pairs_ours_with_it() -> None:
    def run(method: str, seed: int, value: float) -> Run:
        return Run("linear", method, seed, 1, 1, value, value, [], 0.0)

    shares = {"heliotrope": 0.6, "vw_bag": 0.4, "vw_cover": 0.3, "optimum": 1.0}
    runs = [run(method, seed, value + 0.01 * seed) for method, value in shares.items() for seed in range(4)]
    results = summary(runs)
    assert results["shops"]["linear"]["best_competitor"] == "vw_bag"
    text = markdown(results)
    assert "| linear | vw_bag | +0.200 [+0.200, +0.200] | 4 |" in text
    assert "optimum" not in text
