"""What is kept of a user: decay, order, bounds, forgetting."""

import math
from itertools import pairwise

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from state.configuration import HOUR_MS, Weights
from state.events.accepted import AcceptedEvent, accepted_lines, read_accepted
from state.users.user import (
    CATEGORIES_HINTED,
    CATEGORIES_MOST,
    PRODUCTS_HINTED,
    PRODUCTS_KEPT,
    PRODUCTS_MOST,
    SESSIONS_KEPT,
    User,
)
from state.users.user_input import Forget, Hello, Listed, encode_message, read_message
from tests.state.shop import T0, event

HALF_LIFE = 14 * 24 * HOUR_MS
TTL = 365 * 24 * HOUR_MS
MARK = 49 * HOUR_MS
WEIGHTS = Weights()
KINDS = {"product_view": 1.0, "add_to_cart": 3.0, "checkout": 5.0}


def view(product: str, at_ms: int = 0, category: str = "c1", kind: str = "product_view") -> AcceptedEvent:
    return AcceptedEvent(T0 + at_ms, kind, [product], [category])


def user_of(*batches: list[AcceptedEvent], half_life_ms: int = HALF_LIFE) -> User:
    """A user as it comes out of state after each batch."""
    user = User()
    for batch in batches:
        user.learn(batch, WEIGHTS, half_life_ms)
        user = User.decode(user.encode())
    return user


def affinities(user: User, at_ms: int) -> tuple[dict[str, float], dict[str, float], float]:
    """All of them, as of a time: what a hint would say if it had room."""
    fade = 2.0 ** ((user.landmark_ms - T0 - at_ms) / user.half_life_ms)
    return (
        {name: value * fade for name, value in user.products.items()},
        {name: value * fade for name, value in user.categories.items()},
        user.total * fade,
    )


def accepted_events(products: int) -> st.SearchStrategy[AcceptedEvent]:
    names = st.lists(st.integers(0, products - 1), min_size=1, max_size=4, unique=True)
    return st.builds(
        lambda at_ms, kind, numbers: AcceptedEvent(
            T0 + at_ms, kind, [f"p{n}" for n in numbers], [f"c{n % 7}" if n % 5 else "" for n in numbers]
        ),
        st.integers(-90 * 24 * HOUR_MS, 90 * 24 * HOUR_MS),
        st.sampled_from(sorted(KINDS)),
        names,
    )


def plainly(events: list[AcceptedEvent], at_ms: int) -> tuple[dict[str, float], dict[str, float], float]:
    """The definition: each event's weight, halved for each half-life, summed without rounding on the way."""
    products: dict[str, list[float]] = {}
    categories: dict[str, list[float]] = {}
    total = []
    for one in events:
        weight = KINDS[one.event_type] * 2.0 ** ((one.timestamp_ms - T0 - at_ms) / HALF_LIFE)
        total.append(weight)
        for product in one.products:
            products.setdefault(product, []).append(weight)
        for category in set(one.categories) - {""}:
            categories.setdefault(category, []).append(weight)
    return (
        {name: math.fsum(values) for name, values in products.items()},
        {name: math.fsum(values) for name, values in categories.items()},
        math.fsum(total),
    )


@given(st.lists(accepted_events(PRODUCTS_MOST), max_size=60), st.randoms(use_true_random=False))
def test_affinities_are_decayed_sums_in_any_order_and_any_batches(events: list[AcceptedEvent], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    cuts = sorted(random.randint(0, len(shuffled)) for _ in range(3))  # type: ignore[attr-defined]
    batches = [shuffled[a:b] for a, b in pairwise([0, *cuts, len(shuffled)])]
    at_ms = 91 * 24 * HOUR_MS
    user = user_of(*batches)
    if not events:
        assert user == User()
        return
    products, categories, total = affinities(user, at_ms)
    expected = plainly(events, at_ms)
    assert products == pytest.approx(expected[0], rel=1e-12)
    assert categories == pytest.approx(expected[1], rel=1e-12)
    assert total == pytest.approx(expected[2], rel=1e-12)


@settings(suppress_health_check=[HealthCheck.too_slow])  # long lists, on a machine that others use
@given(st.lists(accepted_events(3 * PRODUCTS_MOST), min_size=200, max_size=300))
def test_beyond_the_bound_nothing_is_too_large_and_the_total_is_exact(events: list[AcceptedEvent]) -> None:
    user = user_of(*([one] for one in events))
    assert len(user.products) <= PRODUCTS_MOST
    assert len(user.categories) <= CATEGORIES_MOST
    products, _, total = affinities(user, 0)
    expected = plainly(events, 0)
    assert total == pytest.approx(expected[2], rel=1e-12)
    assert all(value <= expected[0][name] * (1 + 1e-12) for name, value in products.items())


def test_a_half_life_halves_exactly() -> None:
    user = user_of([view("p1", kind="checkout")])
    first = user.hint("u", T0)
    for lives in (1, 2, 10):
        assert user.hint("u", T0 + lives * HALF_LIFE).products["p1"] == first.products["p1"] / 2**lives
    moved = user_of([view("p1", kind="checkout")], [view("p2", 20 * HALF_LIFE)])
    assert moved.landmark_ms == user.landmark_ms + 20 * HALF_LIFE
    assert moved.products["p1"] * 2**20 == user.products["p1"]


def test_another_half_life_holds_from_the_newest_event_on() -> None:
    user = user_of([view("p1")], half_life_ms=HALF_LIFE)
    user.learn([view("p2", HALF_LIFE)], WEIGHTS, HOUR_MS)
    hint = user.hint("u", T0 + HALF_LIFE)
    assert hint.products == pytest.approx({"p2": 1.0, "p1": 0.5}, rel=1e-12)
    assert user.hint("u", T0 + HALF_LIFE + HOUR_MS).products == pytest.approx({"p2": 0.5, "p1": 0.25}, rel=1e-12)


def test_a_newcomer_among_many_strong_products_can_prove_itself() -> None:
    strong = [view(f"p{n}", kind="checkout") for n in range(PRODUCTS_KEPT)]
    user = user_of(strong, *([view("new", n * HOUR_MS)] for n in range(8)))
    assert user.hint("u", T0).products["new"] > max(user.products[f"p{n}"] for n in range(PRODUCTS_KEPT)) * 0.9


def test_a_checkout_of_one_category_counts_once_for_it() -> None:
    user = user_of([AcceptedEvent(T0, "checkout", ["p1", "p2", "p3"], ["c1", "c1", "c2"])])
    hint = user.hint("u", T0)
    assert hint.products == pytest.approx({"p1": 5.0, "p2": 5.0, "p3": 5.0})
    assert hint.categories == pytest.approx({"c1": 5.0, "c2": 5.0})
    assert hint.total == pytest.approx(5.0)


def test_a_hint_holds_the_largest_and_knows_when_it_says_nothing() -> None:
    assert User().hint("u", T0).is_empty
    events = [view(f"p{n:02}", 0, f"c{n:02}") for n in range(30) for _ in range(n + 1)]
    hint = user_of(events).hint("u", T0)
    assert list(hint.products) == [f"p{n:02}" for n in range(29, 29 - PRODUCTS_HINTED, -1)]
    assert list(hint.categories) == [f"c{n:02}" for n in range(29, 29 - CATEGORIES_HINTED, -1)]
    assert hint.seen_ms == T0
    assert hint.total == pytest.approx(sum(range(31)))


def test_nothing_from_before_an_erasure_comes_back() -> None:
    user = user_of([view("p1"), view("p2", 5_000)])
    assert user.meet("s1", T0)
    assert user.apply_list(["p3"], T0)
    assert user.forget(T0 + 2_000) == ["s1"]
    assert user.hint("u", T0).is_empty
    assert user.learn([view("p1", 2_000), view("p4", 2_001)], WEIGHTS, HALF_LIFE) == 1
    assert not user.meet("s1", T0 + 2_000)
    assert not user.apply_list(["p3"], T0 + 2_000)
    assert list(user.hint("u", T0).products) == ["p4"]
    assert user.forget(T0 + 1_000) == []
    assert user.forgotten_ms == T0 + 2_000  # an erasure that comes late does not move the mark back


def test_sessions_are_the_newest_and_each_once() -> None:
    user = User()
    for number in [*range(SESSIONS_KEPT + 5), SESSIONS_KEPT]:
        user.meet(f"s{number}", T0)
    assert len(user.sessions) == SESSIONS_KEPT
    assert user.sessions[-1] == f"s{SESSIONS_KEPT}"
    assert user.sessions.count(f"s{SESSIONS_KEPT}") == 1


def test_everything_ends() -> None:
    user = user_of([view("p1")])
    user.meet("s1", T0)
    user.forget(T0 - HOUR_MS)
    user.learn([view("p1")], WEIGHTS, HALF_LIFE)
    user.apply_list(["p2"], T0 + HOUR_MS)
    assert user.ends_ms(TTL, MARK) == T0 - HOUR_MS + MARK
    assert user.expire(T0 - HOUR_MS + MARK, TTL, MARK) == T0 + TTL
    assert list(user.products) == ["p1"]
    assert user.expire(T0 + TTL, TTL, MARK) == T0 + HOUR_MS + TTL
    assert (user.products, user.sessions, user.total, user.items) == ({}, [], 0.0, ["p2"])
    assert user.expire(T0 + HOUR_MS + TTL, TTL, MARK) is None
    assert user.ends_ms(TTL, MARK) is None
    user.half_life_ms = user.landmark_ms = user.timer_ms = 0
    assert user == User()


def test_the_largest_user_is_small() -> None:
    """At most 16 KiB, with ids of 32 characters and a list of 100."""
    user = user_of([view(f"{n:032}", n, f"{n:032}") for n in range(10_000)])
    user.apply_list([f"{n:032}" for n in range(100)], T0)
    for number in range(100):
        user.meet(f"{number:036}", T0)
    assert len(user.encode()) <= 16 * 1024


def test_messages_and_events_are_told_apart() -> None:
    for message in (Hello("{s\x1e,é", T0), Forget(T0), Listed(["p1", "p\x1f"], T0)):
        assert read_message(encode_message(message)) == message
    lines = accepted_lines(event("product_view"), ["category-1"], [], [], "u")
    assert lines is not None
    assert read_message(lines) is None


def test_accepted_events_are_read_as_they_were_told() -> None:
    items = [{"product_id": "p1"}, {"product_id": "p2"}]
    bought = event("checkout", 5, product_id=None, items=items, region="EU")
    lines = accepted_lines(bought, ["c1", ""], ["p9"], ["evening"], "u")
    assert lines is not None
    assert read_accepted(lines) == AcceptedEvent(T0 + 5, "checkout", ["p1", "p2"], ["c1", ""])


def test_another_release_is_not_misread() -> None:
    with pytest.raises(ValueError, match="another release"):
        User.decode(b"\x09" + msgspec.msgpack.encode([]))
