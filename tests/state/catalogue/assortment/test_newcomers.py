"""The filter in front of the directory's state: it may take a new product for a known one, never the other way round."""

from state.catalogue.assortment import newcomers
from state.catalogue.assortment.newcomers import Newcomers


def test_most_new_products_are_known_to_be_new_and_no_product_twice() -> None:
    found, taken = Newcomers(is_empty=True), 0
    for first in range(0, 50_000, 500):
        names = [f"p{number}" for number in range(first, first + 500)]
        taken += sum(found.add_new(names))
        assert not any(found.add_new(names))
        assert not any(found.add_new([f"p{number}" for number in range(0, first, 97)]))
    assert taken > 49_900
    assert found.add_new([]) == []


def test_a_shard_that_is_not_empty_or_full_has_no_product_that_is_surely_new() -> None:
    assert Newcomers(is_empty=False).add_new(["p", "q"]) == [False, False]
    found = Newcomers(is_empty=True)
    found.add_new([f"p{number}" for number in range(newcomers.MOST_NAMES + 20_000)])
    assert found.add_new(["another"]) == [False]
