"""What the JVM reads of payloads in one pass, against SQL's JSON_VALUE: the same buckets and times, whatever the bytes are."""

import time
from typing import Any

import pytest

from tests.integration.read_payloads import FIRST_OFFSET, ONLY_IN_ONE_PASS, ONLY_SQL, PAYLOADS, SPREAD
from tests.integration.test_graph import told

PROGRAM = "from tests.integration.read_payloads import read; print('FOUND ' + read())"


@pytest.fixture(scope="module")
def readings(connectors: None) -> Any:
    """By SQL [bucket, session, time] of each payload; in one pass [bucket, session] of each, and the time of each and of none."""
    return told(PROGRAM, "FOUND")


def test_one_pass_finds_the_session_that_sql_finds(readings: Any) -> None:
    by_sql, in_one_pass, _ = readings
    assert in_one_pass[: len(PAYLOADS)] == [[bucket, session] for bucket, session, _ in by_sql[: len(PAYLOADS)]]
    assert {session for _, session in in_one_pass} >= {"s1", "s2", "last", "", 'a"b\\c\n', "s14"}


def test_one_pass_finds_the_time_that_sql_finds(readings: Any) -> None:
    by_sql, _, times = readings
    assert times[: len(PAYLOADS)] == [time_ms for *_, time_ms in by_sql[: len(PAYLOADS)]]
    assert sum(found > 0 for found in times) >= 8
    assert max(times) <= time.time() * 1_000, "what lies in the future counts as nothing"
    assert times[-1] == 0, "a record without a value"


def test_no_length_of_a_number_hides_the_session(readings: Any) -> None:
    _, in_one_pass, times = readings
    sessions = [session for _, session in in_one_pass[-len(ONLY_IN_ONE_PASS) :]]
    assert sessions == ["s15"]
    assert times[-len(ONLY_IN_ONE_PASS) - 1 : -1] == [1_763_770_000_000]


def test_what_is_no_text_and_no_number_is_nobodys(readings: Any) -> None:
    by_sql, in_one_pass, times = readings
    for at, (_, sql_text) in enumerate(ONLY_SQL, start=len(PAYLOADS)):
        assert by_sql[at][1] == sql_text
        assert in_one_pass[at][1] == f"\0{(FIRST_OFFSET + at) % SPREAD}"
        assert times[at] == 0
