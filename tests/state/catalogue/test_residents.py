"""What a session operator's catalogue holds: its categories' lists, and what was asked for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from state.catalogue.catalogue import Catalogue
from state.catalogue.product import Product
from state.catalogue.wanted import ASK_AGAIN_MS
from state.kernels.columns import ProductColumn
from tests.state.catalogue.assortment.records import listed_category, listed_product

T0 = 1_763_770_000_000


def catalogue(most: int = 100, per_category: int = 3) -> Catalogue:
    return Catalogue(most, per_category)


def best(of: Catalogue, category_id: str) -> list[str]:
    start, size = of.span_of.get(category_id, (0, 0))
    return [of.product_ids[row] for row in of.pool[start : start + size]]


def rated(**ratings: float) -> dict[str, dict[str, Any]]:
    return {name: {"rating": rating, "rating_count": 100} for name, rating in ratings.items()}


def test_a_list_is_held_and_what_leaves_it_is_not() -> None:
    held = catalogue()
    held.apply_category(listed_category("c", rated(a=5, b=4, d=3)))
    held.refresh(T0)
    assert best(held, "c") == ["a", "b", "d"]
    held.apply_category(listed_category("c", rated(b=4, d=5), version=2))
    assert set(held.row_of) == {"b", "d"}
    assert not held.can_show(["a"])
    held.refresh(T0 + 1_000)
    assert best(held, "c") == ["d", "b"]
    held.drop_category("c")
    assert len(held) == 0


def test_the_same_list_again_changes_nothing() -> None:
    held = catalogue()
    held.apply_category(listed_category("c", rated(a=5, b=4)))
    assert held.refresh(T0)
    held.apply_category(listed_category("c", rated(a=5, b=4), version=2))
    assert not held.refresh(T0 + 10_000)


def test_means_are_those_of_the_whole_category() -> None:
    held, listing = catalogue(), {"a": {"rating": 5.0, "price": 1.0}, "b": {"price": 1.0}}
    record = listed_category("c", listing)
    record.mean_rating, record.rated, record.mean_price = 2.5, 1_000, 0.9
    held.apply_category(record)
    held.refresh(T0)
    row = held.row_of["b"]
    assert held.static[row, ProductColumn.RATING] == 2.5
    assert held.category_rating == {"c": 2.5}
    assert held.static[row, ProductColumn.RELATIVE_PRICE] < -3


def test_a_category_without_ratings_takes_the_mean_of_all_others() -> None:
    held = catalogue()
    for category_id, mean, count in (("c1", 4.0, 300), ("c2", 2.0, 100)):
        record = listed_category(category_id, rated(**{category_id + "-p": 3}))
        record.mean_rating, record.rated = mean, count
        held.apply_category(record)
    held.apply_category(listed_category("c3", {"x": {}}))
    held.refresh(T0)
    assert held.category_rating["c3"] == pytest.approx(3.5)


def test_what_is_not_held_is_asked_for_and_then_kept_up_to_date() -> None:
    held = catalogue()
    held.apply_category(listed_category("c", rated(a=5)))
    held.want(["a", "x"])
    assert held.poll_wanted(T0) == ["x"]
    assert held.category_of("x") == ""
    assert held.apply_product("x", listed_product("x", "c9", rating=2.0))
    assert (held.category_of("x"), held.can_show(["x"])) == ("c9", True)
    held.apply_product("x", listed_product("x", "c9", version=2, in_stock=False))
    assert (held.category_of("x"), held.can_show(["x"])) == ("c9", False)
    held.refresh(T0)
    assert held.row_of["x"] not in held.pool
    held.remove("x")
    assert held.category_of("x") == ""


def test_of_two_records_of_a_product_the_newer_counts_in_either_order() -> None:
    for newer_first in (False, True):
        held = catalogue()
        records = [
            lambda held=held: held.apply_category(listed_category("c", rated(a=5), version=5)),
            lambda held=held: held.apply_product("a", listed_product("a", "c", version=9, stock=0)),
        ]
        for take in reversed(records) if newer_first else records:
            take()
        assert not held.can_show(["a"])
        held.apply_category(listed_category("c", rated(a=4), version=10))
        assert held.can_show(["a"])


def test_a_product_that_was_asked_for_stays_when_its_category_lists_it_no_more() -> None:
    held = catalogue()
    held.apply_product("a", listed_product("a", "c", rating=5.0))
    held.apply_category(listed_category("c", rated(a=5, b=4), version=2))
    held.apply_category(listed_category("c", rated(b=4), version=3))
    assert set(held.row_of) == {"a", "b"}


def test_a_product_that_moved_stays_with_its_new_category() -> None:
    held = catalogue()
    held.apply_category(listed_category("c1", rated(a=5, b=5)))
    held.apply_category(listed_category("c2", rated(a=5), version=2))
    held.apply_category(listed_category("c1", rated(b=5), version=3))
    assert (held.category_of("a"), held.can_show(["a"])) == ("c2", True)


def test_room_is_made_by_what_was_used_longest_ago_and_never_by_a_list() -> None:
    held = catalogue(most=6)
    held.apply_category(listed_category("c", rated(a=5, b=4)))
    for name in ("w", "x", "y", "z"):
        held.apply_product(name, listed_product(name))
    for name in ("x", "w", "z", "y"):
        held.stamp[held.row_of[name]] = held.next_mark()
    assert not held.apply_product("unasked", listed_product("unasked"))
    held.want(["new"])
    held.poll_wanted(T0)
    assert held.apply_product("new", listed_product("new"))
    assert held.drain_forgotten() == ["x"]
    assert set(held.row_of) == {"a", "b", "w", "y", "z", "new"}
    held.apply_category(listed_category("c", rated(a=5, b=4, d=3, e=3, f=3, g=3, h=3), version=2))
    assert {"a", "b"} < set(held.row_of)
    assert len(held) == 6
    assert set(held.drain_forgotten()) == {"w", "y", "z", "new"}
    assert held.drain_counts() == {"products_left_out": 1}


def test_a_row_stands_for_another_product_only_once_lists_are_rebuilt() -> None:
    held = catalogue()
    held.apply_category(listed_category("c", rated(a=5, b=4)))
    held.refresh(T0)
    row = held.row_of["a"]
    held.remove("a")
    held.put(Product("new", "c"))
    assert held.row_of["new"] != row
    held.refresh(T0 + 10_000)
    held.put(Product("newer", "c"))
    assert held.row_of["newer"] == row


NAMES = st.sampled_from([f"p{number}" for number in range(8)])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("list"), st.sampled_from(["c1", "c2"]), st.sets(NAMES)),
        st.tuples(st.just("tell"), st.sampled_from(["c1", "c2"]), st.sets(NAMES, max_size=1)),
        st.tuples(st.just("gone"), st.just(""), st.sets(NAMES, max_size=1)),
    ),
    max_size=40,
)


@examples(max_examples=200, deadline=None)
@given(STEPS)
def test_any_records_leave_what_the_last_ones_say(steps: list[tuple[str, str, set[str]]]) -> None:
    held, listed, asked = catalogue(most=1_000), {"c1": set[str](), "c2": set[str]()}, set[str]()
    for version, (kind, category_id, names) in enumerate(steps, 1):
        if kind == "list":
            held.apply_category(listed_category(category_id, {name: {} for name in sorted(names)}, version))
            other = "c2" if category_id == "c1" else "c1"
            listed[category_id] = set(names)
            listed[other] -= names
        elif kind == "tell":
            for name in names:
                held.apply_product(name, listed_product(name, category_id, version))
                asked.add(name)
        else:
            for name in names:
                held.remove(name)
                asked.discard(name)
                for each in listed.values():
                    each.discard(name)
        held.refresh(T0 + version * 10_000)
    assert set(held.row_of) == asked | listed["c1"] | listed["c2"]
    rows = np.array(sorted(held.row_of.values()), dtype=np.int64)
    assert np.flatnonzero(held.active).tolist() == rows.tolist()
    assert sorted(held.pool.tolist()) == sorted(set(held.pool.tolist()))


def test_a_product_that_does_not_come_is_asked_for_again() -> None:
    held = catalogue()
    for minute in range(3):
        assert held.poll_wanted(T0 + minute * ASK_AGAIN_MS) == []
        held.want(["x"])
        assert held.poll_wanted(T0 + minute * ASK_AGAIN_MS) == ["x"]
        held.want(["x"])
        assert held.poll_wanted(T0 + minute * ASK_AGAIN_MS + 1) == []
