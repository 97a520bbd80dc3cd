"""What SQL hands on, taken apart; and what is handed on from there."""

import json

import pytest

from state.popularity.listing import Listing, listing, popular_json
from state.popularity.window import Counted, read_lists, read_moments


def text(*lines: tuple[str, str, str, int], end_ms: int = 3_600_000) -> str:
    return "\x1e".join([str(end_ms), *("\x1f".join(map(str, line)) for line in lines)])


def test_lists_come_apart_by_name_in_the_order_of_their_counts() -> None:
    end_ms, lists = read_lists(
        text(
            ("EU", "p", "b", 3), ("_all", "t", "", 12), ("EU", "p", "a", 3), ("EU", "c", "shoes", 5), ("EU", "p", "z", 4),
            ("EU", "t", "", 10), ("@category/shoes", "p", "a", 2), ("@category/shoes", "p", "q", 3),
        )
    )  # fmt: skip
    assert end_ms == 3_600_000
    assert lists == {
        "EU": Counted(10, [("z", 4), ("a", 3), ("b", 3)], [("shoes", 5)]),
        "_all": Counted(12),
        "@category/shoes": Counted(5, [("q", 3), ("a", 2)]),
    }


def test_regions_of_any_name_are_kept_apart() -> None:
    names = ["Île-de-France", "a/b", " ", "'; DROP TABLE", "🏝", "_ALL", "EU " * 40]
    _, lists = read_lists(text(*((name, "t", "", n + 1) for n, name in enumerate(names))))
    assert [lists[name].total for name in names] == list(range(1, len(names) + 1))


def test_text_of_another_form_is_refused() -> None:
    for broken in ("", "soon", text(("EU", "p", "a", 1)) + "\x1eEU\x1fp"):
        with pytest.raises(ValueError, match=r"."):
            read_lists(broken)


def test_moments_come_apart_by_name() -> None:
    end_ms, moments = read_moments(text(("", "c", "x", 9), ("time:night", "c", "x", 4), ("", "c", "y", 1)))
    assert (end_ms, moments) == (3_600_000, {"": {"x": 9, "y": 1}, "time:night": {"x": 4}})


FOUND = listing(7_200_000, 3_600_000, Counted(8, [("a", 4), ("b", 2), ("c", 1)], [("x", 6)]), [("b", 2, 0.25)], top=2)


def test_a_listing_comes_back_as_it_went_and_another_release_is_told() -> None:
    assert Listing.decode(FOUND.encode()) == FOUND
    with pytest.raises(ValueError, match="version"):
        Listing.decode(b"\x02" + FOUND.encode()[1:])
    with pytest.raises(ValueError, match="damaged"):
        Listing.decode(FOUND.encode()[:-2])


def test_the_json_for_readers_has_shares_as_scores() -> None:
    assert json.loads(popular_json('a "quoted" region', FOUND)) == {
        "region": 'a "quoted" region',
        "updated_at": 7_200_000,
        "window_ms": 3_600_000,
        "items": [{"product_id": "a", "score": 0.5, "count": 4}, {"product_id": "b", "score": 0.25, "count": 2}],
        "categories": [{"category_id": "x", "score": 0.75}],
    }
