import pytest

from serving.push.position import HEAD_BYTES, NOWHERE, Position, parse_event_id, position_of

LARGEST = 2**63 - 1


def test_the_position_is_read_from_a_profiles_first_bytes() -> None:
    profile = b'{"schema":1,"generation":1763769990001,"version":17,"updated_at":1763770000123,"session_id":"s"}'
    assert position_of(profile[:HEAD_BYTES]) == Position(1763769990001, 17, 1763770000123)


def test_the_head_holds_the_longest_numbers() -> None:
    profile = b'{"schema":1,"generation":%d,"version":%d,"updated_at":%d,' % (LARGEST, LARGEST, LARGEST)
    assert position_of(profile[:HEAD_BYTES]) == Position(LARGEST, LARGEST, LARGEST)


@pytest.mark.parametrize("head", [b"", None, b"{}", b"another program's value", ValueError("WRONGTYPE"), 7])
def test_what_is_no_profile_is_nowhere(head: object) -> None:
    assert position_of(head) == NOWHERE


def test_a_session_that_began_anew_is_after_every_version_of_the_old_one() -> None:
    assert Position(1_001, 1, 0).is_after((1_000, 900))
    assert not Position(1_000, 900, 5).is_after((1_000, 900))


@pytest.mark.parametrize(
    "text", ["", "-", "1", "1-", "-1", "1-2-3", "a-b", "1-2\x00", "１-２", "9" * 20 + "-1", "1 - 2", "+1-2", "1-2;"]
)
def test_what_is_no_event_id_is_none(text: str) -> None:
    assert parse_event_id(text) is None


def test_an_event_id_is_read_back() -> None:
    assert parse_event_id(Position(1_763_769_990_001, 17, 5).event_id) == (1_763_769_990_001, 17)
