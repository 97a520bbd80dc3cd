import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.events.rejection import Reason, Rejection
from state.users.user_list import LIST_LIMIT_BYTES, UserList, read_user_list


def value(**fields: object) -> bytes:
    return json.dumps({"user_id": "ann", "items": ["p1", "p2"]} | fields).encode()


def test_a_list_keeps_its_order_each_product_once_and_its_first_ones() -> None:
    read = read_user_list(b"ann", value(items=["p3", "p1", "p3", "p2", "p4"]), 3)
    assert read == UserList("ann", ["p3", "p1", "p2"])


def test_a_record_without_a_value_or_without_items_removes_the_list() -> None:
    assert read_user_list(b"ann", None, 3) == UserList("ann", [])
    assert read_user_list(b"ann", value(items=[]), 3) == UserList("ann", [])


@pytest.mark.parametrize(
    ("key", "payload", "reason"),
    [
        (None, value(), Reason.INVALID_VALUE),
        (b"", value(), Reason.INVALID_VALUE),
        (b"x" * 257, None, Reason.INVALID_VALUE),
        (b"\xff", value(), Reason.NOT_UTF8),
        (b"bob", value(), Reason.KEY_MISMATCH),
        (b"ann", b"", Reason.EMPTY),
        (b"ann", b"{", Reason.NOT_JSON),
        (b"ann", b'{"user_id": "\xff"}', Reason.NOT_UTF8),
        (b"ann", b"[]", Reason.NOT_AN_OBJECT),
        (b"ann", b'{"user_id": "ann"}', Reason.MISSING_FIELD),
        (b"ann", value(items="p1"), Reason.WRONG_TYPE),
        (b"ann", value(items=["p1", 2]), Reason.WRONG_TYPE),
        (b"ann", value(items=["p1", ""]), Reason.INVALID_VALUE),
        (b"ann", value(items=["x" * 129]), Reason.INVALID_VALUE),
        (b"ann", value(filler="x" * LIST_LIMIT_BYTES), Reason.TOO_LARGE),
    ],
)
def test_what_is_no_list_is_refused_with_a_reason(key: bytes | None, payload: bytes | None, reason: Reason) -> None:
    answer = read_user_list(key, payload, 3)
    assert isinstance(answer, Rejection)
    assert answer.reason == reason


@given(st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=80))
def test_any_bytes_are_a_list_or_refused(key: bytes | None, payload: bytes | None) -> None:
    assert isinstance(read_user_list(key, payload, 3), UserList | Rejection)
