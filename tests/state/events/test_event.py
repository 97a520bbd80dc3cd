import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from state.events.event import Event, read_event, speaks_of_consent
from state.events.rejection import Origin, Reason, Rejection, dead_letter

NOW = 1_763_770_000_000
GOOD: dict[str, Any] = {"session_id": "s", "event_type": "product_view", "timestamp": NOW, "product_id": "p"}


def read(payload: bytes | None) -> Event | Rejection:
    return read_event(payload, now_ms=NOW, max_bytes=65_536, max_future_ms=300_000)


def read_fields(**fields: Any) -> Event | Rejection:
    return read(json.dumps({k: v for k, v in (GOOD | fields).items() if v is not ...}).encode())


def test_reads_an_event_and_ignores_unknown_fields() -> None:
    found = read_fields(colour="red", region="EU")
    assert isinstance(found, Event)
    assert (found.session_id, found.product_id, found.region) == ("s", "p", "EU")


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, Reason.EMPTY),
        (b"", Reason.EMPTY),
        (b"hello", Reason.NOT_JSON),
        (b"\x00\x00\x00", Reason.NOT_JSON),
        (b'{"session_id": "s"', Reason.NOT_JSON),
        (b'{"session_id": "\xff"}', Reason.NOT_UTF8),
        (b'{"session_id": "s\\ud83d"}', Reason.NOT_UTF8),
        (b'{"session_id": "\\udc00s"}', Reason.NOT_UTF8),
        (b'{"session_id": "\\\\\\ud83d\\u0041"}', Reason.NOT_UTF8),
        (b'{"session_id": "\\\\ud83d\\ud83d\\ude00", 7}', Reason.NOT_JSON),
        (b'{"session_id": "\xed\xa0\xbd"}', Reason.NOT_UTF8),
        (b"[1, 2]", Reason.NOT_AN_OBJECT),
        (b"{" + b" " * 70_000 + b"}", Reason.TOO_LARGE),
        (b"[" * 60_000, Reason.NOT_AN_OBJECT),
        (b'{"unknown": ' + b"[" * 50_000, Reason.NOT_JSON),
    ],
)
def test_refuses_bytes_that_are_no_event(payload: bytes | None, reason: Reason) -> None:
    rejection = read(payload)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is reason


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"session_id": ...}, Reason.MISSING_FIELD, "session_id"),
        ({"session_id": 7}, Reason.WRONG_TYPE, "session_id"),
        ({"session_id": ""}, Reason.INVALID_VALUE, "session_id"),
        ({"session_id": "a\u0000b"}, Reason.INVALID_VALUE, "session_id"),
        ({"session_id": "a\n"}, Reason.INVALID_VALUE, "session_id"),
        ({"session_id": "a\u009b"}, Reason.INVALID_VALUE, "session_id"),
        ({"session_id": "x" * 129}, Reason.INVALID_VALUE, "session_id"),
        ({"event_type": "teleport"}, Reason.UNKNOWN_EVENT_TYPE, "event_type"),
        ({"event_type": ...}, Reason.MISSING_FIELD, "event_type"),
        ({"timestamp": "now"}, Reason.WRONG_TYPE, "timestamp"),
        ({"timestamp": 1.5}, Reason.WRONG_TYPE, "timestamp"),
        ({"timestamp": -5}, Reason.TIMESTAMP_NOT_POSITIVE, "timestamp"),
        ({"timestamp": NOW + 365 * 86_400_000}, Reason.TIMESTAMP_IN_FUTURE, "timestamp"),
        ({"timestamp": NOW + 300_001}, Reason.TIMESTAMP_IN_FUTURE, "timestamp"),
        ({"product_id": ...}, Reason.MISSING_FIELD, "product_id"),
        ({"event_type": "category_view"}, Reason.MISSING_FIELD, "category_id"),
        ({"event_type": "checkout", "product_id": None, "items": []}, Reason.MISSING_FIELD, "items"),
        ({"event_type": "checkout", "items": [{"product_id": 3}]}, Reason.WRONG_TYPE, "items[0].product_id"),
        ({"event_type": "impression", "decision_id": "d"}, Reason.MISSING_FIELD, "shown"),
        ({"event_type": "impression", "shown": ["p"]}, Reason.MISSING_FIELD, "decision_id"),
        ({"event_type": "feedback"}, Reason.MISSING_FIELD, "feedback"),
        ({"event_type": "feedback", "feedback": {"kind": "thumb", "value": 2}}, Reason.INVALID_VALUE, "feedback.value"),
        (
            {"event_type": "feedback", "feedback": {"kind": "rating", "value": 6}},
            Reason.INVALID_VALUE,
            "feedback.value",
        ),
        ({"event_type": "dwell"}, Reason.MISSING_FIELD, "duration_ms"),
        ({"event_type": "search"}, Reason.MISSING_FIELD, "query"),
        ({"event_type": "consent"}, Reason.MISSING_FIELD, "granted"),
        ({"event_type": "consent", "granted": "false"}, Reason.WRONG_TYPE, "granted"),
        ({"event_type": "consent", "granted": 0}, Reason.WRONG_TYPE, "granted"),
        ({"event_type": "consent", "granted": "no"}, Reason.WRONG_TYPE, "granted"),
        ({"context": {str(i): i for i in range(17)}}, Reason.INVALID_VALUE, "context"),
    ],
)
def test_refuses_a_broken_rule_and_names_the_field(fields: dict[str, Any], reason: Reason, field: str) -> None:
    rejection = read_fields(**fields)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.field) == (reason, field)


def test_characters_of_two_halves_are_characters() -> None:
    found = read(b'{"session_id": "\\ud83d\\ude00", "event_type": "erase", "timestamp": 1}')
    assert isinstance(found, Event)
    assert found.session_id == "\U0001f600"


@pytest.mark.parametrize(
    ("payload", "speaks"),
    [
        (b'{"event_type": "consent", "granted": "false"}', True),
        (b'{"event_type": "\\u0065rase"}', True),
        (b'{"event_type": "erase", "session_id": "\\ud83d"}', True),
        (b'{"event_type":"consent"', True),
        (b'{"event_type": "search", "query": "erase"}', False),
        (b'{"event_type": 7}', False),
        (b"consent", False),
        (None, False),
    ],
)
def test_a_wish_to_be_forgotten_is_told_from_what_else_is_refused(payload: bytes | None, speaks: bool) -> None:
    assert speaks_of_consent(payload) is speaks


def test_accepts_a_timestamp_up_to_the_limit_ahead() -> None:
    assert isinstance(read_fields(timestamp=NOW + 300_000), Event)


def test_an_event_without_id_is_identified_by_what_it_says() -> None:
    found = read_fields(category_id="c")
    assert isinstance(found, Event)
    assert found.identity == f"{NOW}|product_view|p|c"


@given(st.binary(max_size=300))
def test_any_bytes_give_an_event_or_a_reason(payload: bytes) -> None:
    assert isinstance(read(payload), Event | Rejection)


@trials(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the event's
@given(
    st.dictionaries(
        st.sampled_from(sorted(Event.__struct_fields__)), st.none() | st.integers() | st.text() | st.lists(st.text())
    )
)
def test_any_fields_give_an_event_or_a_reason(fields: dict[str, Any]) -> None:
    assert isinstance(read(json.dumps(GOOD | fields).encode("utf-8", "surrogatepass")), Event | Rejection)


def test_a_dead_letter_always_fits() -> None:
    payload = b"x" * 2_000_000
    letter = dead_letter(Rejection(Reason.TOO_LARGE, None, "d" * 10_000), Origin("t", 3, 7, NOW), payload)
    assert len(letter) < 24 * 1024
    assert json.loads(letter)["payload_bytes"] == len(payload)
