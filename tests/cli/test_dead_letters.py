"""Dead letters: counting, showing their bytes, and what may be sent again."""

import base64
import io
import json
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.dead_letters.resending import NOT_OURS, TRUNCATED, refusal
from cli.dead_letters.view import tally_json, tally_view
from cli.endpoints import Endpoints
from cli.options import Target
from cli.text import excerpt
from state.configuration import Settings
from state.events.dead_letter import UNREADABLE, DeadLetter, Tally, read_dead_letter
from state.events.rejection import Origin, Reason, Rejection, dead_letter, not_stored

TARGET = Target(Settings(), Endpoints("127.0.0.1:9", "redis://127.0.0.1:9", ""))


class Record(NamedTuple):
    """A Kafka record, as far as the tally looks."""

    value: bytes | None
    key: bytes | None = None
    timestamp: int = 0


def letter(payload: bytes | None, reason: Reason = Reason.NOT_JSON, topic: str = "user_interactions") -> bytes:
    return dead_letter(Rejection(reason, None, "why"), Origin(topic, 3, 14, 1_000), payload)


@given(st.binary(max_size=2_000))
def test_what_the_job_writes_is_read_with_all_its_bytes(payload: bytes) -> None:
    read = read_dead_letter(letter(payload))
    assert read.payload == payload
    assert read.is_whole
    assert refusal(read, TARGET) is None


def test_a_cut_payload_is_not_sent_again() -> None:
    read = read_dead_letter(letter(b"x" * 100_000, Reason.TOO_LARGE))
    assert len(read.payload) == 16 * 1024
    assert refusal(read, TARGET) == TRUNCATED


def test_only_topics_that_heliotrope_reads_are_sent_to() -> None:
    assert refusal(read_dead_letter(letter(b"x", topic="products")), TARGET) is None
    assert refusal(read_dead_letter(letter(b"x", topic="salaries")), TARGET) == NOT_OURS


@pytest.mark.parametrize("value", [None, b"", b"nonsense", b"[]", b'{"reason": 5}'])
def test_an_unreadable_dead_letter_is_counted_as_such(value: bytes | None) -> None:
    read = read_dead_letter(value)
    assert read.reason == UNREADABLE
    assert refusal(read, TARGET) == TRUNCATED


def test_damaged_base64_is_not_sent_again() -> None:
    assert refusal(DeadLetter("not_json", payload_base64="@@@", payload_bytes=3), TARGET) == TRUNCATED


def test_the_tally_counts_all_and_keeps_the_newest() -> None:
    tally = Tally(keep=3)
    for time in [*range(500, 1_000), *range(500)]:
        tally.add(Record(letter(b"%d" % time), b"k", time))
    tally.add(Record(letter(b"x", Reason.EMPTY), None, 2_000))
    assert tally.reasons == {"not_json": 1_000, "empty": 1}
    assert [time for time, _, _ in tally.latest()] == [998, 999, 2_000]


def test_the_view_shows_reasons_and_escaped_bytes() -> None:
    tally = Tally(keep=5)
    tally.add(Record(letter(b'{"a": "\x00\x1b[31mred"}\xff'), b"session", 1_000))
    console = Console(file=io.StringIO(), width=120)
    console.print(tally_view(tally))
    file: Any = console.file
    text = file.getvalue()
    assert "not_json" in text
    assert "key session" in text
    assert "\\x00\\x1b[31mred" in text
    assert "\\xff" in text
    assert "\x1b" not in text


def test_the_json_form() -> None:
    tally = Tally(keep=1)
    tally.add(Record(letter(b"bad"), b"k", 7))
    content = json.loads(tally_json(tally))
    assert content["total"] == 1
    assert content["reasons"] == {"not_json": 1}
    [newest] = content["newest"]
    assert newest["key"] == "k"
    assert base64.b64decode(newest["payload_base64"]) == b"bad"


def test_a_letter_that_counts_others_counts_for_them_and_is_never_sent_again() -> None:
    tally = Tally(keep=1)
    tally.add(Record(letter(b"bad"), b"k", 7))
    counting = not_stored({"not_json": 4, "empty": 1}, Origin("user_interactions", 0, 9, 7))
    tally.add(Record(counting, None, 8))
    content = json.loads(tally_json(tally))
    assert (content["total"], content["not_stored"]) == (6, 5)
    assert content["reasons"] == {"not_json": 5, "empty": 1}

    assert refusal(read_dead_letter(counting), TARGET) == "it counts others that were not stored"


@given(st.binary(max_size=300), st.integers(2, 50))
def test_printed_bytes_are_printable_and_short(payload: bytes, limit: int) -> None:
    text = excerpt(payload, limit)
    assert len(text) <= limit
    assert text.isprintable()
