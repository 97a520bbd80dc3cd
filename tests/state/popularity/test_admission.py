"""However many names are invented, few get a list, and the real ones do."""

from collections import Counter

import pytest

from state.events.accepted import FIELD
from state.popularity.admission import COUNTERS, LIFE_WINDOWS, Admission
from tests.state.shop import T0, event, settings, shop

WINDOW_MS = 3_600_000


def admission(most: int = 100, at_once: int = 50, support: int = 5) -> Admission:
    return Admission(most, at_once, support, WINDOW_MS)


def test_a_shop_with_few_regions_counts_each_from_its_first_event() -> None:
    found = admission()
    assert all(found.admits(f"region-{number}", 0) for number in range(50))


def test_invented_names_are_bounded_and_those_with_support_get_in_among_them() -> None:
    found = admission()
    admitted = sum(found.admits(f"invented-{number}", number) for number in range(20_000))
    assert (admitted, len(found)) == (50, 50)
    answers = []
    for number in range(5):
        answers.append(found.admits("EU", 30_000))
        assert not any(found.admits(f"more-{number}-{other}", 30_000) for other in range(100))
    assert answers == [False, False, False, False, True]
    assert found.admits("EU", 30_001)


def test_what_is_admitted_never_exceeds_the_bound_even_with_support() -> None:
    found = admission()
    for number in range(500):
        for _ in range(5):
            found.admits(f"bought-{number}", 0)
    assert len(found) == 100


def test_a_name_holds_its_place_while_its_list_lives_and_then_makes_room() -> None:
    found = admission(most=2, at_once=2)
    found.admits("EU", 0)
    found.admits("US", WINDOW_MS)
    life_ms = LIFE_WINDOWS * WINDOW_MS
    assert not found.admits("AU", life_ms - 1)
    assert found.admits("AU", life_ms + WINDOW_MS // 8)
    assert found.admits("US", life_ms + WINDOW_MS // 8)
    assert not found.admits("EU", life_ms + WINDOW_MS // 8)


def test_support_is_of_one_window_and_never_claimed_for_a_name_that_took_a_counter_over() -> None:
    found = admission(at_once=0, support=3)
    assert not any((found.admits("EU", 0), found.admits("EU", 1), found.admits("EU", WINDOW_MS + 1)))
    for number in range(3 * COUNTERS):
        assert not found.admits(f"once-{number}", WINDOW_MS + 2)
    assert len(found) == 0


@pytest.mark.parametrize("name", ["", "_all", "@category/lamps", "@moment/", "EU\n", "E\x1fU", "\x1b[2J", "EU\u202e"])
def test_names_of_ours_and_unreadable_ones_are_counted_in_the_whole_alone(name: str) -> None:
    found = admission()
    assert not found.admits(name, 0)
    assert len(found) == 0


def test_invented_regions_and_categories_are_counted_in_the_whole_and_in_a_metric() -> None:
    personalizer = shop(settings(popularity={"max_regions": 20, "max_categories": 20, "admission_support": 3}))
    regions, categories, counts = set(), set(), Counter[str]()
    for number in range(200):
        invented = event("product_view", number, session_id=f"s{number}", region=f"r{number}", category_id=f"c{number}",
                         product_id=f"p{number}")  # fmt: skip
        effect = personalizer.apply(None, invented, record_ms=T0, now_ms=T0 + number, watermark_ms=0)
        assert effect.accepted is not None
        fields = effect.accepted.split(FIELD)
        regions.add(fields[2])
        categories.add(fields[4])
        counts.update(effect.counts)
    assert (len(regions - {""}), len(categories - {""})) == (10, 10)
    assert (counts["popular_regions_folded"], counts["popular_categories_folded"]) == (190, 190)
    listed = event("product_view", 300, region="r0", product_id="product-1", category_id="category-1")
    effect = personalizer.apply(None, listed, record_ms=T0, now_ms=T0 + 300, watermark_ms=0)
    assert effect.accepted is not None
    assert effect.accepted.split(FIELD)[2:5] == ["r0", "product-1", "category-1"]


@pytest.mark.parametrize("region", ["_all", "@category/lamps", "E\x1fU"])
def test_no_event_reaches_a_list_of_ours(region: str) -> None:
    effect = shop().apply(None, event(region=region), record_ms=T0, now_ms=T0, watermark_ms=0)
    assert effect.accepted is not None
    assert effect.accepted.split(FIELD)[2] == ""
    assert effect.counts["popular_regions_folded"] == 1
