"""TogetherLists as a session operator holds them."""

import pytest

from state.candidates.sources.together import TogetherLists
from state.together.listing import Pair, encode_list, list_key

LIST = encode_list([Pair("ink", 5.0, 9.0), Pair("paper", 2.0, 4.0)])


def test_lists_are_given_back_in_their_order_by_kind() -> None:
    partners = TogetherLists(10)
    assert partners.apply(list_key("bought", "printer"), LIST)
    assert list(partners.bought_with("printer")) == [("ink", 5.0), ("paper", 2.0)]
    assert list(partners.viewed_with("printer")) == []
    assert partners.apply(list_key("bought", "printer"), None)
    assert list(partners.bought_with("printer")) == []


def test_the_longest_unused_list_goes_first_and_is_told() -> None:
    partners = TogetherLists(2)
    for product in ("a", "b"):
        partners.apply(list_key("viewed", product), LIST)
    partners.viewed_with("a")
    partners.apply(list_key("viewed", "c"), LIST)
    assert list(partners.viewed_with("b")) == []
    assert len(partners.viewed_with("a")) == 2
    assert partners.drain_forgotten() == [("viewed", "b")]
    assert partners.drain_forgotten() == []
    assert len(partners) == 2


def test_what_is_no_list_is_refused_and_what_was_held_stays() -> None:
    partners = TogetherLists(2)
    partners.apply(list_key("bought", "a"), LIST)
    with pytest.raises(ValueError, match="another release"):
        partners.apply(list_key("bought", "a"), b"\x09")
    assert len(partners.bought_with("a")) == 2
    assert not partners.apply(b"category/c1", b"\x01")
