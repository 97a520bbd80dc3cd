"""What a session operator holds of popularity: fresh, bounded, with the whole to fall back on."""

import pytest

from state.candidates.sources.popularity import MOST_LASTING, NOTHING, PopularLists
from state.popularity.listing import listing
from state.popularity.moments import Moment
from state.popularity.window import Counted

HOUR = 3_600_000
NOW = 1_763_770_000_000 // HOUR * HOUR


def payload(product: str, count: int = 5, end_ms: int = NOW) -> bytes:
    counted = Counted(2 * count, [(product, count)], [("shoes", count)])
    return listing(end_ms, HOUR, counted, [(product, count, 0.4)], 50).encode()


def lists() -> PopularLists:
    held = PopularLists()
    held.apply("_all", payload("everywhere", 50))
    held.apply("EU", payload("here"))
    return held


def test_a_region_has_its_own_list_and_an_unknown_one_that_of_the_whole() -> None:
    held = lists()
    popular = held.of("EU", NOW)
    assert popular.region == "EU"
    assert (popular.items, popular.trends, popular.categories) == (
        [("here", 0.5, 5)], [("here", 5, 0.4)], [("shoes", 0.5)],
    )  # fmt: skip
    assert (popular.window_end_ms, popular.window_ms, popular.total) == (NOW, HOUR, 10)
    for region in ("", "Atlantis", "_all", "@home"):
        assert (held.of(region, NOW).region, held.of(region, NOW).items[0][0]) == ("_all", "everywhere")
    assert PopularLists().of("EU", NOW) is NOTHING


def test_a_category_without_a_list_has_none() -> None:
    held = lists()
    held.apply("@category/shoes", payload("boots"))
    assert held.of("@category/shoes", NOW).items == [("boots", 0.5, 5)]
    assert held.of("@category/hats", NOW) is NOTHING


def test_a_list_is_the_same_object_until_another_comes() -> None:
    held = lists()
    before = held.of("EU", NOW)
    assert held.of("EU", NOW + 1) is before
    held.apply("EU", payload("there"))
    assert held.of("EU", NOW).items[0][0] == "there"


def test_a_list_of_more_than_two_windows_ago_is_not_used() -> None:
    held = lists()
    assert held.of("EU", NOW + 2 * HOUR - 1).region == "EU"
    held.apply("_all", payload("everywhere", end_ms=NOW + HOUR))
    assert held.of("EU", NOW + 2 * HOUR).region == "_all"
    assert held.of("EU", NOW + 3 * HOUR) is NOTHING


def test_a_list_ends() -> None:
    held = lists()
    assert held.apply("EU", None) is True
    assert held.of("EU", NOW).region == "_all"
    assert held.apply("EU", None) is False
    held.apply("_all", None)
    assert held.of("EU", NOW) is NOTHING


def test_the_longest_unused_goes_and_the_whole_never() -> None:
    held = PopularLists(max_lists=2)
    held.apply("_all", payload("everywhere"))
    held.apply("a", payload("a"))
    held.apply("b", payload("b"))
    held.of("a", NOW)
    held.apply("c", payload("c"))
    assert len(held) == 2
    assert [held.of(name, NOW).region for name in ("a", "b", "c")] == ["a", "_all", "c"]
    assert held.drain_forgotten() == ["b"]
    assert held.drain_forgotten() == []


def test_a_bounded_number_of_regions_lasts_and_a_category_comes_again_by_itself() -> None:
    held = PopularLists()
    kept = [name for n in range(MOST_LASTING + 10) if held.apply(name := f"region-{n}", payload("p"))]
    assert len(kept) == MOST_LASTING
    assert held.apply("region-0", payload("p"))
    assert held.apply("_all", payload("p"))
    assert not held.apply("@category/shoes", payload("p"))
    held.apply("region-0", None)
    assert held.apply("region-newer", payload("p"))


def test_what_cannot_be_read_is_refused_and_what_was_held_stays() -> None:
    held = lists()
    for damaged in (b"", b"\x07what", payload("x")[:-3]):
        with pytest.raises(ValueError, match=r"."):
            held.apply("EU", damaged)
        with pytest.raises(ValueError, match=r"."):
            held.apply("@moment/rain", damaged)
    with pytest.raises(ValueError, match="key"):
        held.apply("", payload("x"))
    assert held.of("EU", NOW).items[0][0] == "here"
    assert held.of("", NOW).region == "_all"


def test_a_moment_lifts_categories_by_what_was_seen_of_all_of_its_names() -> None:
    held = PopularLists()
    assert held.lift(["weather:rain"]) == {}
    held.apply("@moment/", Moment(NOW, 10_000, {"umbrellas": 1_000, "shoes": 9_000}).encode())
    assert held.lift(["weather:rain"]) == {}
    assert held.apply("@moment/weather:rain", Moment(NOW, 900, {"umbrellas": 300, "shoes": 600}).encode())
    found = held.lift(["time:night", "weather:rain"])
    assert found["umbrellas"] > 0.5 > 0 > found["shoes"]
    assert held.lift(["time:night", "weather:rain"]) is found
    held.apply("@moment/weather:rain", None)
    assert held.lift(["time:night", "weather:rain"]) == {}
