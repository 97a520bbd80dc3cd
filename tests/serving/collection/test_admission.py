"""From a body to events: what is filled in, what is refused, and that the job would say the same."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.collection.admission import MOST_EVENTS, admit, complete, split
from serving.problems import Refusal
from state.configuration import Events
from state.events.event import Event, read_event
from state.events.rejection import Rejection

NOW_MS = 1_763_770_000_000
VIEW = {"session_id": "s", "event_type": "product_view", "product_id": "p"}


def encoded(event: Any) -> bytes:
    return json.dumps(event).encode()


def read(content: bytes) -> Event | Rejection:
    return read_event(content, now_ms=NOW_MS, max_bytes=65_536, max_future_ms=300_000)


def test_a_complete_event_is_sent_as_it_came() -> None:
    content = b' {"session_id":"s", "event_type":"erase", "timestamp":1763770000000, "event_id":"e", "other": [1.50]} '
    assert complete(content, NOW_MS) == content


@pytest.mark.parametrize("missing", [{}, {"timestamp": None}, {"event_id": None}, {"event_id": "", "timestamp": None}])
def test_time_and_id_are_filled_in_where_they_are_missing_or_null(missing: dict[str, Any]) -> None:
    found = read(complete(encoded(VIEW | missing), NOW_MS))
    assert isinstance(found, Event)
    assert (found.timestamp, found.product_id) == (NOW_MS, "p")
    assert found.event_id


def test_no_name_stands_twice_in_what_is_sent() -> None:
    completed = complete(encoded(VIEW | {"event_id": "", "timestamp": None}), NOW_MS)
    names = [name for name, _ in json.loads(completed, object_pairs_hook=list)]
    assert sorted(names) == sorted(set(names))


def test_a_repeated_event_with_its_time_gets_the_same_id_again() -> None:
    content = encoded(VIEW | {"timestamp": NOW_MS - 5})
    assert complete(content, NOW_MS) == complete(content, NOW_MS + 9_000)
    assert complete(content, NOW_MS) != complete(encoded(VIEW | {"timestamp": NOW_MS - 6}), NOW_MS)


def test_events_without_a_time_are_each_new_unless_the_client_says_that_it_repeats() -> None:
    def ids(repeat_key: str) -> list[str | None]:
        batch = admit([encoded(VIEW)] * 2, Events(), NOW_MS, repeat_key)
        return [msgspec.json.decode(one.content, type=Event).event_id for one in batch.admitted]

    first, second = ids(""), ids("")
    assert len({*first, *second}) == 4
    assert ids("a" * 80) == ids("a" * 80)
    assert len({*ids("a" * 80), *ids("b" * 80)}) == 4


@pytest.mark.parametrize(
    ("event", "reason", "field"),
    [
        ({}, "missing_field", "session_id"),
        ([], "not_an_object", None),
        (5, "not_an_object", None),
        (VIEW | {"event_type": "look"}, "unknown_event_type", "event_type"),
        (VIEW | {"product_id": None}, "missing_field", "product_id"),
        (VIEW | {"session_id": "a\nb"}, "invalid_value", "session_id"),
        (VIEW | {"timestamp": "now"}, "wrong_type", "timestamp"),
        (VIEW | {"timestamp": 0}, "timestamp_not_positive", "timestamp"),
        (VIEW | {"timestamp": NOW_MS + 10**7}, "timestamp_in_future", "timestamp"),
        (VIEW | {"event_id": "e" * 65}, "invalid_value", "event_id"),
        (VIEW | {"query": "q" * 70_000}, "too_large", None),
    ],
)
def test_a_refused_event_has_the_reason_of_its_dead_letter(event: Any, reason: str, field: str | None) -> None:
    batch = admit([encoded(VIEW), encoded(event)], Events(), NOW_MS)
    assert [(one.index, one.reason, one.field) for one in batch.rejected] == [(1, reason, field)]
    assert len(batch.admitted) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*Event.__struct_fields__, "other"]), inner),
        max_leaves=12,
    )
)
@settings(max_examples=300, deadline=None)
def test_what_the_door_sends_the_job_reads_and_nothing_raises(tree: Any) -> None:
    batch = admit([encoded(tree)], Events(), NOW_MS)
    assert len(batch.admitted) + len(batch.rejected) == 1
    for one in batch.admitted:
        found = read(one.content)
        assert isinstance(found, Event)
        assert (found.session_id, found.timestamp) == (one.session_id, one.timestamp_ms)
        assert found.event_id


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_event_that_is_refused_or_a_refusal(body: bytes) -> None:
    status, contents = 400, list[bytes]()
    try:
        contents = split(body)
    except Refusal as refusal:
        status = refusal.status_code
    assert status == 400
    batch = admit(contents, Events(), NOW_MS)
    assert len(batch.admitted) + len(batch.rejected) == len(contents)


def test_one_event_and_a_batch_are_told_apart() -> None:
    assert split(encoded(VIEW)) == [encoded(VIEW)]
    assert split(encoded({"events": [VIEW, 5]})) == [encoded(VIEW), b"5"]
    assert split(b'{"events": []}') == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"null", 400),
        (b"{", 400),
        (b'{"events": {}}', 400),
        (b'{"a": "\xff"}', 400),
        (b"[" * 100_000, 400),
        (b'{"events":' + b"[" * 100_000, 400),
        (encoded({"events": [{}] * (MOST_EVENTS + 1)}), 413),
    ],
)
def test_what_cannot_be_read_as_a_whole_is_refused_as_a_whole(body: bytes, status: int) -> None:
    with pytest.raises(Refusal) as refused:
        split(body)
    assert refused.value.status_code == status
