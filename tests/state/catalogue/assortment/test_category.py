"""A category's means and lists under changes, against what a recount of all its products gives."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.catalogue.assortment.category import Category, quality
from state.catalogue.assortment.facts import pack, unpack
from state.catalogue.assortment.tally import Tally
from state.catalogue.product import Product

BEST, NEWEST = 4, 2


def facts(product_id: str = "p", **fields: Any) -> bytes:
    return pack(Product(product_id, "c", **fields))


def recounted(products: dict[str, bytes]) -> tuple[Tally, list[str]]:
    """The tally and the selection from scratch, by the definitions."""
    tally = Tally()
    for packed in products.values():
        tally.add(unpack(packed))
    available = {name: unpack(packed) for name, packed in products.items() if unpack(packed).is_available}

    def created(name: str) -> float:
        return max(0.0, available[name].created_ms) if available[name].created_ms > 0 else 0.0

    def best(name: str) -> tuple[float, float, str]:
        told = available[name]
        value = quality(told.rating, told.reviews, tally.anchor) if told.reviews else tally.anchor
        return (-value, -created(name), name)

    newest = sorted((name for name in available if created(name)), key=lambda name: (-created(name), name))
    listed = sorted(available, key=best)[:BEST]
    return tally, list(dict.fromkeys([*listed, *newest[:NEWEST]]))


PRODUCTS = st.fixed_dictionaries(
    {},
    optional={
        "rating": st.sampled_from([1.0, 2.5, 4.0, 4.5, 5.0]),
        "rating_count": st.sampled_from([0, 1, 3, 50]),
        "price": st.floats(0, 1e4),
        "created_at": st.integers(0, 9),
        "in_stock": st.booleans(),
    },
)
CHANGES = st.lists(st.tuples(st.integers(0, 24), st.one_of(PRODUCTS, PRODUCTS, st.none())), max_size=120)


@settings(max_examples=300, deadline=None)
@given(CHANGES, st.integers(1, 10))
def test_any_changes_give_what_a_recount_gives(changes: list[tuple[int, dict[str, Any] | None]], every: int) -> None:
    category, products = Category(BEST, NEWEST), dict[str, bytes]()
    for step, (number, fields) in enumerate(changes, 1):
        name = f"p{number:02}"
        former = products.get(name)
        if fields is not None:
            products[name] = facts(name, **fields)
            category.put(name, products[name], former)
        elif former is not None:
            del products[name]
            category.remove(name, former)
        if step % every and step < len(changes):
            continue
        selection = category.select()
        if not selection.is_complete:
            category.refill(products.items())
            selection = category.select()
        assert selection.is_complete
        assert (category.tally, selection.product_ids) == recounted(products)
        restored = Category(BEST, NEWEST, category.tally)
        restored.decode_lists(category.encode_lists())
        assert restored.select() == selection
        assert len(category.facts) <= 2 * (2 * BEST + NEWEST)


def test_an_incomplete_list_is_right_as_far_as_it_goes() -> None:
    category = Category(BEST, NEWEST)
    products = {f"p{number:02}": facts(rating=1 + number / 10, rating_count=100) for number in range(40)}
    for name, packed in products.items():
        category.put(name, packed, None)
    for name in sorted(products, reverse=True)[:6]:
        category.remove(name, products.pop(name))
    selection = category.select()
    assert not selection.is_complete
    expected = recounted(products)[1]
    assert [name for name in expected if name in selection.product_ids] == selection.product_ids
    category.refill(products.items())
    assert category.select() == (expected, True)


def test_a_refill_is_rare_where_ratings_come_in_and_nothing_goes() -> None:
    category, refills, products = Category(BEST, NEWEST), 0, dict[str, bytes]()
    for number in range(5_000):
        name = f"p{number}"
        products[name] = facts(rating=1 + (number * 7_919 % 41) / 10, rating_count=number % 90, created_at=number)
        category.put(name, products[name], None)
        if not number % 50 and not category.select().is_complete:
            refills += 1
            category.refill(products.items())
    assert refills <= 5


def test_only_the_loss_of_a_product_that_is_shown_is_urgent() -> None:
    category = Category(BEST, NEWEST)
    packed = {f"p{number}": facts(rating=5 - number / 10, rating_count=100) for number in range(7)}
    for name, told in packed.items():
        assert category.put(name, told, None) == (True, False)
    assert category.put("p0", facts(rating=4.9, rating_count=100), packed["p0"]) == (True, False)
    assert category.put("p1", facts(rating=4.9, rating_count=100, stock=0), packed["p1"]) == (True, True)
    assert category.remove("p2", packed["p2"]) == (True, True)
    assert category.remove("p6", packed["p6"]) == (True, False)
    assert category.tally.products == 5


def test_what_is_out_of_stock_counts_for_the_mean_and_is_in_no_list() -> None:
    category = Category(BEST, NEWEST)
    category.put("a", facts(rating=5.0, rating_count=10, created_at=9, in_stock=False), None)
    category.put("b", facts(rating=2.0, rating_count=10), None)
    assert category.tally.mean_rating == pytest.approx(3.5)
    assert category.select().product_ids == ["b"]


def test_a_list_of_another_release_is_refused() -> None:
    with pytest.raises(ValueError, match="another release"):
        Category(BEST, NEWEST).decode_lists(b"\x09")
