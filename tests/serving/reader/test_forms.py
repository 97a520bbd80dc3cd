"""What is told from a profile or a list, and a list in a profile's form."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.reader.popular import read_popular
from serving.reader.stored import MOST_BYTES, read_stored, with_first_items
from tests.serving.redis_data import FIELDS, NOW_MS, list_of, profile_of


def test_a_profile_is_known_with_what_readers_look_at() -> None:
    found = read_stored(profile_of("é/1", version=7), "é/1", 12.5)
    assert found is not None
    assert (found.version, found.updated_at_ms, found.event_time_ms, found.items) == (7, NOW_MS, NOW_MS - 100, 3)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"not json",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        profile_of("another"),
        profile_of("s")[:-1],
        profile_of("s") + b"\n",
        profile_of("s", generation="7"),
        profile_of("s", score_data=[{"score": 1}]),
        profile_of("s", score_data=None),
        profile_of("s", status="x").replace(b'"x"', b'"\xff"'),
        b"{" + b" " * MOST_BYTES + profile_of("s")[1:],
    ],
)
def test_what_is_no_profile_of_the_session_is_none(raw: bytes) -> None:
    assert read_stored(raw, "s", 0.0) is None


@given(st.binary(max_size=200))
def test_no_bytes_make_a_reader_fail(raw: bytes) -> None:
    read_stored(raw, "s", 0.0)
    read_popular(raw, 20, 1)


def test_the_first_items_are_kept_in_their_order_and_all_else_stays() -> None:
    whole = msgspec.json.decode(profile_of("s", items=5))
    cut = msgspec.json.decode(with_first_items(profile_of("s", items=5), 2))
    assert [item["product_id"] for item in cut["score_data"]] == ["p1", "p2"]
    assert {**whole, "score_data": None} == {**cut, "score_data": None}
    assert list(whole) == list(cut)


def test_a_list_takes_the_form_of_a_profile() -> None:
    found = read_popular(list_of("EU", products=30), 20, 5_000)
    assert found is not None
    profile = msgspec.json.decode(found.as_profile('a"b', None))
    assert set(profile) == FIELDS
    assert (profile["session_id"], profile["status"], profile["version"]) == ('a"b', "cold", 0)
    assert len(profile["score_data"]) == 20
    assert sum(item["score"] for item in profile["score_data"]) == pytest.approx(1, abs=1e-4)
    assert sum(category["score"] for category in profile["category_data"]) == pytest.approx(1, abs=1e-4)
    first = profile["score_data"][0]
    assert first["product_id"] == "EU-best"
    assert first["reasons"] == [{"code": "popular_in_region", "region": "EU", "share": 1.0}]
    assert profile["affinities"] == {"products": {}, "categories": {}}


def test_a_list_has_as_many_items_as_are_asked_for() -> None:
    found = read_popular(list_of("_all", products=5), 20, 5_000)
    assert found is not None
    counts = [len(msgspec.json.decode(found.as_profile("s", limit))["score_data"]) for limit in (1, 3, 5, 19, None)]
    assert counts == [1, 3, 5, 5, 5]


@pytest.mark.parametrize("scores", [[], [0.0, 0.0]])
def test_a_list_without_counts_is_still_a_profile(scores: list[float]) -> None:
    items = [{"product_id": f"p{place}", "score": score} for place, score in enumerate(scores)]
    found = read_popular(msgspec.json.encode({"region": "_all", "updated_at": 1, "items": items}), 20, 1)
    assert found is not None
    profile = msgspec.json.decode(found.as_profile("s", None))
    assert [item["score"] for item in profile["score_data"]] == [0.5] * len(scores)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"7",
        b'{"region":"EU"}',
        b'{"region":"EU","updated_at":1,"items":[{"product_id":"p","score":-1}]}',
        list_of("EU", products=1_001),
    ],
)
def test_what_is_no_list_is_none(raw: bytes) -> None:
    assert read_popular(raw, 20, 1) is None
