"""Companions as a session operator holds them."""

import pytest

from state.candidates.sources.together import Companions
from state.together.listing import Pair, encode_list, list_key

LIST = encode_list([Pair("ink", 5.0, 9.0), Pair("paper", 2.0, 4.0)])


def test_lists_are_given_back_in_their_order_by_kind() -> None:
    companions = Companions(10)
    assert companions.take(list_key("bought", "printer"), LIST)
    assert list(companions.bought_with("printer")) == [("ink", 5.0), ("paper", 2.0)]
    assert list(companions.viewed_with("printer")) == []
    assert companions.take(list_key("bought", "printer"), None)
    assert list(companions.bought_with("printer")) == []


def test_the_longest_unused_list_goes_first_and_is_told() -> None:
    companions = Companions(2)
    for product in ("a", "b"):
        companions.take(list_key("viewed", product), LIST)
    companions.viewed_with("a")
    companions.take(list_key("viewed", "c"), LIST)
    assert list(companions.viewed_with("b")) == []
    assert len(companions.viewed_with("a")) == 2
    assert companions.take_forgotten() == [("viewed", "b")]
    assert companions.take_forgotten() == []
    assert len(companions) == 2


def test_what_is_no_list_is_refused_and_what_was_held_stays() -> None:
    companions = Companions(2)
    companions.take(list_key("bought", "a"), LIST)
    with pytest.raises(ValueError, match="another release"):
        companions.take(list_key("bought", "a"), b"\x09")
    assert len(companions.bought_with("a")) == 2
    assert not companions.take(b"category/c1", b"\x01")
