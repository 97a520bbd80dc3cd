"""Shoppers: the click model, their visits, the runner and its figures."""

import io
import json
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, ConsoleDimensions

from cli.demo.view import Figures, Rate, demo_line, demo_view
from cli.endpoints import Endpoints
from cli.errors import UserError
from cli.simulate.lists import HELIOTROPE, POPULARITY, UNIFORM, PopularLists
from cli.simulate.profiles import ProfileReader
from cli.simulate.report import Trend, live_view, plain_line
from cli.simulate.results import Ratio, Results, Visit, quantile, summary
from cli.simulate.runner import Clock, Plan, Runner
from cli.simulate.session import demo_catalogue, read_shop
from cli.simulate.shop import APPEAL_FLOOR, Shop, appeal_of, best_mean, draw_shopper
from cli.simulate.verb import check_served
from cli.simulate.visit import ITEMS_SEEN, AwaitProfile, Seen
from state.catalogue.product import Product
from state.events.event import Event, read_event

SHOP = read_shop(demo_catalogue())


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, lambda: int(1_763_769_990_000 + self.now_s * 1_000), self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += max(seconds, 0.001)


class Server(ProfileReader):
    """Answers like Heliotrope would, by a rule of the test."""

    def __init__(self, choose: Callable[[AwaitProfile], list[str] | None]) -> None:
        self.model_version = 0
        self._choose = choose

    def read(self, waits: list[AwaitProfile]) -> list[Seen | None]:
        lists = [self._choose(wait) for wait in waits]
        return [None if products is None else Seen("d", products) for products in lists]


def simulate(
    server: Server, seconds: float = 60, rate: float = 20, seed: int = 0, popularity_share: float = 0.0
) -> tuple[Runner, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    runner = Runner(
        SHOP,
        Plan(rate, 1 / 3, seed, seconds, popularity_share),
        server,
        lambda session, event: events.append(json.loads(event)),
        Time().clock(),
    )
    for _ in runner.run(1.0):
        pass
    return runner, events


def random_lists(seed: int = 0) -> Server:
    rng = np.random.default_rng(seed)
    return Server(lambda _: [SHOP.product_ids[row] for row in rng.choice(len(SHOP), 20, replace=False)])


@given(st.integers(0, 2**32))
def test_the_best_list_is_at_least_as_good_as_the_mean_of_all(seed: int) -> None:
    shopper = draw_shopper(SHOP, np.random.default_rng(seed))
    chances = SHOP.click_probabilities(shopper)
    assert ((chances > 0) & (chances < 1)).all()
    assert best_mean(chances, ITEMS_SEEN) >= chances.mean()
    assert best_mean(chances, ITEMS_SEEN) == pytest.approx(np.sort(chances)[-ITEMS_SEEN:].mean())


def test_liked_categories_are_clicked_more() -> None:
    shopper = draw_shopper(SHOP, np.random.default_rng(3))
    chances = SHOP.click_probabilities(shopper)
    means = [chances[members].mean() for members in SHOP.members]
    assert np.argsort(means)[-2:].tolist() == [shopper.liked[1], shopper.liked[0]]


def test_appeal_is_a_property_of_the_product() -> None:
    plain = Product("p", "c")
    assert appeal_of(plain) == appeal_of(Product("p", "other", price=3.0))
    assert appeal_of(Product("p", "c", rating=5.0)) > appeal_of(Product("p", "c", rating=1.0)) >= APPEAL_FLOOR


def test_a_shop_needs_two_categories() -> None:
    with pytest.raises(ValueError, match="two categories"):
        Shop([Product("p", "c")])


def test_uniform_lists_are_no_better_than_the_uniform_arm() -> None:
    runner, _ = simulate(random_lists(), seconds=300)
    lift, error = runner.results.lift()
    assert abs(lift - 1) < 4 * error
    assert runner.results.best.value > 5 * runner.results.uniform.value
    assert abs(runner.results.share_of_possible()) < 0.03


def test_events_are_valid_ordered_and_say_what_they_react_to() -> None:
    runner, events = simulate(random_lists())
    assert runner.sent == len(events) == runner.results.events
    last: dict[str, int] = {}
    ids = Counter(event["event_id"] for event in events)
    assert max(ids.values()) == 1
    for event in events:
        read = read_event(json.dumps(event).encode(), now_ms=2**41, max_bytes=65_536, max_future_ms=0)
        assert isinstance(read, Event), read
        assert read.timestamp > last.get(read.session_id, 0)
        last[read.session_id] = read.timestamp
        assert read.region
        assert read.device
    kinds = Counter(event["event_type"] for event in events)
    assert {"product_view", "category_view", "impression", "add_to_cart", "checkout"} <= set(kinds)


def test_control_sessions_show_no_list_of_heliotropes() -> None:
    _, events = simulate(random_lists())
    by_session: dict[str, set[str]] = {}
    for event in events:
        if event["event_type"] == "impression":
            by_session.setdefault(event["session_id"], set()).add(event["decision_id"])
            assert len(set(event["shown"])) == ITEMS_SEEN
    control = [ids for ids in by_session.values() if any(name.startswith(UNIFORM) for name in ids)]
    assert len(control) / len(by_session) == pytest.approx(1 / 3, abs=0.06)
    assert all(name.startswith(UNIFORM) for ids in control for name in ids)
    clicked = {
        event["session_id"] for event in events if "decision_id" in event and event["event_type"] != "impression"
    }
    assert not clicked & {session for session, ids in by_session.items() if ids in control}


def test_popular_lists_show_what_their_own_sessions_viewed_most() -> None:
    lists = PopularLists(SHOP, seed=3)
    first, second, third = SHOP.product_ids[7], SHOP.product_ids[5], SHOP.product_ids[200]
    viewed = [first, first, first, second, second]
    for product in viewed:
        lists.learn({"event_type": "product_view", "product_id": product})
    lists.learn({"event_type": "checkout", "items": [{"product_id": third}]})
    lists.learn({"event_type": "category_view", "category_id": SHOP.category_ids[0]})
    page = lists.page(ITEMS_SEEN, np.random.default_rng(0))
    assert page[:3] == [first, second, third]
    assert len(set(page)) == ITEMS_SEEN


def test_the_arm_of_popularity_has_its_share_and_teaches_heliotrope_nothing() -> None:
    runner, events = simulate(random_lists(), seconds=300, popularity_share=1 / 3)
    results = runner.results
    arms = results.heliotrope, results.popularity, results.uniform
    assert [arm.visits / sum(arm.visits for arm in arms) for arm in arms] == pytest.approx([1 / 3] * 3, abs=0.03)
    shown = [event for event in events if event["event_type"] == "impression"]
    sessions = {event["session_id"] for event in shown if event["decision_id"].startswith(POPULARITY)}
    reactions = [event for event in events if event["session_id"] in sessions and "decision_id" in event]
    assert all(event["event_type"] == "impression" for event in reactions)
    products = {product for event in shown if event["session_id"] in sessions for product in event["shown"]}
    assert len(products) < len(SHOP) / 10, "the most viewed stay the most viewed"


def test_the_arm_of_popularity_takes_what_the_random_one_leaves() -> None:
    runner, _ = simulate(random_lists(), seconds=30, popularity_share=1.0)
    assert runner.results.heliotrope.visits == 0
    assert runner.results.uniform.visits > 0


def test_every_page_is_followed_by_an_event_that_is_no_impression() -> None:
    _, events = simulate(random_lists())
    newest: dict[str, str] = {event["session_id"]: event["event_type"] for event in events[:-200]}
    followed = {event["session_id"] for event in events[-200:]}
    assert all(kind != "impression" for session, kind in newest.items() if session not in followed)


def test_the_seed_decides_on_the_shoppers() -> None:
    first, again, other = (simulate(random_lists(), 20, seed=seed)[0].results for seed in (1, 1, 2))
    assert (first.events, first.pages) == (again.events, again.pages) != (other.events, other.pages)


def test_without_profiles_the_end_says_so() -> None:
    runner, _ = simulate(Server(lambda _: None), seconds=10)
    assert runner.results.missing_profiles > 0
    with pytest.raises(UserError, match="heliotrope status"):
        check_served(runner)


def test_with_empty_lists_the_end_says_so() -> None:
    runner, _ = simulate(Server(lambda _: []), seconds=10)
    with pytest.raises(UserError, match="catalog load"):
        check_served(runner)


def test_a_profile_counts_once_it_knows_the_event() -> None:
    profile = {
        "decision_id": "d",
        "model_version": 9,
        "last_event": {"timestamp": 50},
        "score_data": [{"product_id": "p"}],
    }

    class Store:
        def mget(self, keys: list[str]) -> list[bytes | None]:
            assert keys == ["x:profile:a", "x:profile:b", "x:profile:c"]
            return [json.dumps(profile).encode(), json.dumps(profile).encode(), None]

    reader = ProfileReader(Store(), "x")
    seen = reader.read([AwaitProfile("a", 50), AwaitProfile("b", 51), AwaitProfile("c", 1)])
    assert seen == [Seen("d", ["p"]), None, None]
    assert reader.model_version == 9


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 40)), min_size=2, max_size=30))
def test_the_standard_error_is_the_linearised_one(pairs: list[tuple[int, int]]) -> None:
    ratio = Ratio()
    for y, x in pairs:
        ratio.add(y, x)
    residuals = [y - ratio.value * x for y, x in pairs]
    n, mean = len(pairs), sum(x for _, x in pairs) / len(pairs)
    expected = math.sqrt(n / (n - 1) * sum(r * r for r in residuals)) / (n * mean)
    assert ratio.standard_error == pytest.approx(expected, abs=1e-7)


def test_the_summary_is_json_even_when_nothing_is_known() -> None:
    empty = json.loads(json.dumps(summary(Results(), 0.0, []), allow_nan=False))
    assert empty["ratio_to_uniform"] is None
    runner, _ = simulate(random_lists(), 20)
    content = json.loads(json.dumps(summary(runner.results, 20.0, [1.0, 2.0]), allow_nan=False))
    assert content["heliotrope"]["shown"] > 0
    assert content["best"]["click_through"] > content["uniform"]["click_through"]


def test_quantiles() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(n) for n in range(1, 101)], 0.99) == 99.0


def test_visits_without_pages_count_nothing_but_themselves() -> None:
    results = Results()
    results.add(Visit(HELIOTROPE, missing_profiles=1))
    assert (results.visits, results.heliotrope.visits) == (1, 0)


def test_the_views_are_readable_without_a_terminal() -> None:
    runner, _ = simulate(random_lists(), 60)
    trend, figures = Trend(), Figures()
    for second in (10.0, 20.0, 30.0):
        trend.update(runner.results, second)
    figures.update(runner, 100, 1_763_769_990_000)
    profile = {"session_id": "s", "status": "cold", "version": 1, "score_data": [{"product_id": SHOP.product_ids[0]}]}
    where, console = Endpoints("k:1", "redis://:pw@r:2", "http://f:3"), Console(file=io.StringIO(), width=120)
    console.print(live_view(runner, trend))
    console.print(
        demo_view(
            where,
            figures,
            runner,
            profile,
            SHOP.titles,
            ConsoleDimensions(120, 50),
        )
    )
    file: Any = console.file
    text = file.getvalue()
    assert "\x1b" not in text
    assert "pw" not in text
    assert "most popular" not in text
    for part in ("best possible", "Heliotrope", "uniformly random", "http://f:3", SHOP.titles[SHOP.product_ids[0]]):
        assert part in text
    assert "click-through" in plain_line(runner)
    popular, _ = simulate(random_lists(), 30, popularity_share=1 / 3)
    console.print(live_view(popular, Trend()))
    assert "most popular" in file.getvalue()
    assert "popularity" in plain_line(popular)
    assert "sees first" in demo_line(figures, runner, profile, SHOP.titles)


def test_a_rate_looks_at_the_last_seconds() -> None:
    rate = Rate()
    for second in range(20):
        rate.update(100.0 * second if second < 10 else 900.0, float(second))
    assert rate.value == 0.0
