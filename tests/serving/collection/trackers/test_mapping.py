"""What other trackers' libraries send, as events of ours."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.errors import ConfigurationError
from serving.collection.trackers.bodies import decode_body
from serving.collection.trackers.mapping import Mapping, load_mapping, time_ms
from serving.problems import Refusal
from state.events.event import EVENT_TYPES, Event
from tests.serving.collection.trackers.sent import ALL, KEY, Sent

NAMES = ("segment", "posthog", "mixpanel")


@pytest.mark.parametrize("name", ALL)
def test_a_library_s_request_comes_to_our_events(name: str) -> None:
    sent: Sent = ALL[name]
    mapping = load_mapping(name.partition(",")[0])
    body = gzip.decompress(sent.body) if "content-encoding" in sent.headers else sent.body
    tree = decode_body(body, sent.headers["content-type"])
    found = [mapping.event_of(call, 0) for call in mapping.calls(tree)]
    assert [event for event in found if event is not None] == sent.expected
    assert found.count(None) == sent.ignored
    assert "authorization" in sent.headers or mapping.write_key(tree) == KEY


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-29T08:28:16.615Z", 1_795_940_896_615),
        ("2026-11-29T09:28:16.615+01:00", 1_795_940_896_615),
        ("2026-11-29 08:28:16", 1_795_940_896_000),
        (1_795_940_896.615, 1_795_940_896_615),
        (1_795_940_896_615, 1_795_940_896_615),
        ("1795940896", 1_795_940_896_000),
        ("yesterday", None),
        (True, None),
        (None, None),
        (float("inf"), None),
        ([], None),
    ],
)
def test_times_are_read_in_all_their_forms(value: Any, expected: int | None) -> None:
    assert time_ms(value) == expected


def test_a_sender_s_wrong_clock_is_corrected_but_not_by_days() -> None:
    mapping, now_ms = load_mapping("segment"), 1_795_940_896_000
    assert mapping.skew_ms({"sentAt": "2026-11-29T08:23:16Z"}, now_ms) == 300_000
    assert mapping.skew_ms({"sentAt": "2026-11-20T08:23:16Z"}, now_ms) == 0
    assert mapping.skew_ms({}, now_ms) == 0
    call = {"event": "Product Viewed", "timestamp": "2026-11-29T08:23:10Z"}
    assert (mapping.event_of(call, 300_000) or {})["timestamp"] == now_ms - 6_000


def test_a_page_is_a_view_of_what_it_names() -> None:
    mapping = load_mapping("posthog")
    kinds = [
        (mapping.event_of({"event": "$pageview", "properties": properties}, 0) or {}).get("event_type")
        for properties in ({"product_id": "p", "category": "c"}, {"category": "c"}, {"$current_url": "/"})
    ]
    assert kinds == ["product_view", "category_view", None]


def test_an_id_that_is_too_long_becomes_a_hash_that_stays_the_same() -> None:
    mapping = load_mapping("posthog")
    ids = {(mapping.event_of({"event": "Product Viewed", "uuid": "x" * 90}, 0) or {})["event_id"] for _ in range(2)}
    assert [len(one) for one in ids] == [32]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(
                    ["batch", "event", "properties", "products", "timestamp", "uuid", "data", "product_id"]
                ),
                inner,
            )
        ),
        max_leaves=10,
    )
)
@settings(max_examples=200, deadline=None)
def test_no_tree_makes_a_mapping_fail(tree: Any) -> None:
    for name in NAMES:
        mapping = load_mapping(name)
        mapping.write_key(tree)
        for call in mapping.calls(tree):
            mapping.event_of(call, mapping.skew_ms(tree, 1_795_940_896_000))


@given(
    st.binary(max_size=100),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "application/x-ndjson"]),
)
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_a_tree_or_refused(body: bytes, media: str) -> None:
    status = 400
    try:
        decode_body(body, media)
    except Refusal as refusal:
        status = refusal.status_code
    assert status in (400, 413)


def test_a_bomb_without_its_header_is_refused_too() -> None:
    with pytest.raises(Refusal) as refused:
        decode_body(gzip.compress(b"0" * 50_000_000), "text/plain")
    assert refused.value.status_code == 413


@pytest.mark.parametrize("text", ["name: []", "[1]", "{", "name: [a]\nnames: {}\nevent: {}\nother: 1"])
def test_a_mapping_that_is_none_stops_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"serving\.trackers"):
        load_mapping(str(path))
    with pytest.raises(ConfigurationError, match=r"serving\.trackers"):
        load_mapping("nothing-of-that-name")


def test_shipped_mappings_name_only_fields_and_types_of_events() -> None:
    for name in NAMES:
        mapping: Mapping = load_mapping(name)
        assert set(mapping.event) <= set(Event.__struct_fields__)
        assert set(mapping.names.values()) <= {*EVENT_TYPES, "page"}
