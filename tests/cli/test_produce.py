"""`produce` sends every line as it is."""

import gzip
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.errors import KafkaTimeoutError

from cli.delivery import MAX_RECORDS_IN_FLIGHT, Delivery
from cli.endpoints import Endpoints
from cli.errors import UserError
from cli.files.lines import read_lines
from cli.files.produced import events_of
from cli.kafka_client import MAX_VALUE_BYTES
from cli.options import Target
from cli.pacing import RatePacer
from cli.produce import Sent, key_of_line, send_lines
from state.configuration import Settings

TARGET = Target(Settings(), Endpoints("127.0.0.1:9", "redis://127.0.0.1:9", ""))


class Future:
    """What a producer returns for a record."""

    def __init__(self, error: Exception | None = None, done: bool = True) -> None:
        self.is_done = done
        self._error = error

    def get(self, timeout: float) -> None:
        self.is_done = True
        if self._error:
            raise self._error


class Producer:
    """Keeps what it is given."""

    def __init__(self, error: Exception | None = None, done: bool = True) -> None:
        self.records: list[tuple[bytes | None, bytes | None]] = []
        self.futures: list[Future] = []
        self.closed = False
        self._error, self._done = error, done

    def send(self, topic: str, value: bytes | None, key: bytes | None) -> Future:
        self.records.append((key, value))
        self.futures.append(Future(self._error, self._done))
        return self.futures[-1]

    def flush(self, timeout: float) -> None:
        pass

    def close(self, timeout: float) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("line", "key"),
    [
        (b'{"session_id": "s1", "x": 1}', b"s1"),
        (b'{"session_id": "s\\u00e9"}', "sé".encode()),
        (b'{"session_id": 7}', None),
        (b'{"session_id": null}', None),
        (b'{"session_id": ""}', None),
        (b'{"other": "s1"}', None),
        (b"", None),
        (b"not json", None),
        (b"\xff\xfe", None),
        (b"[1]", None),
        (b'{"session_id": "cut', None),
        (b"[" * 100_000, None),
        (b'{"session_id":"s","x":' + b'{"a":' * 20_000, None),
    ],
)
def test_the_key_is_the_session_where_it_can_be_read(line: bytes, key: bytes | None) -> None:
    assert key_of_line(line) == key


@given(st.binary())
def test_no_line_is_refused(line: bytes) -> None:
    key = key_of_line(line)
    assert key is None or isinstance(key, bytes)


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)))
def test_lines_come_through_as_they_are(lines: list[bytes]) -> None:
    assert list(read_lines(io.BytesIO(b"".join(line + b"\n" for line in lines)), MAX_VALUE_BYTES)) == lines


def test_a_last_line_needs_no_line_feed() -> None:
    assert list(read_lines(io.BytesIO(b"\n\na"), MAX_VALUE_BYTES)) == [b"", b"", b"a"]


def test_the_largest_value_passes_and_a_larger_one_is_told() -> None:
    fits, larger = b"x" * MAX_VALUE_BYTES, b"y" * (3 * MAX_VALUE_BYTES)
    assert list(read_lines(io.BytesIO(fits + b"\n" + larger + b"\nz\n"), MAX_VALUE_BYTES)) == [fits, None, b"z"]


def test_everything_is_sent_and_counted() -> None:
    producer, sent = Producer(), Sent()
    lines = [b'{"session_id":"a"}', b"", b"\xff", None]
    with Delivery(TARGET, producer=producer) as delivery:
        list(send_lines(lines, "t", delivery, RatePacer(None), sent))
    assert producer.records == [(b"a", b'{"session_id":"a"}'), (None, b""), (None, b"\xff")]
    assert (sent.lines, sent.without_key, sent.too_large) == (3, 2, 1)
    assert delivery.acknowledged == 3
    assert producer.closed


def test_a_failed_delivery_is_an_error_that_names_the_fix() -> None:
    with (
        pytest.raises(UserError, match="heliotrope up"),
        Delivery(TARGET, producer=Producer(KafkaTimeoutError())) as delivery,
    ):
        delivery.send("t", b"x", None)


def test_what_is_on_its_way_is_bounded() -> None:
    producer = Producer(done=False)
    with Delivery(TARGET, producer=producer) as delivery:
        for _ in range(MAX_RECORDS_IN_FLIGHT + 100):
            delivery.send("t", b"x", None)
        assert sum(not future.is_done for future in producer.futures) <= MAX_RECORDS_IN_FLIGHT
        for _ in range(40):
            delivery.send("t", b"x" * MAX_VALUE_BYTES, None)
        open_bytes = sum(
            len(value or b"")
            for (_, value), future in zip(producer.records, producer.futures, strict=True)
            if not future.is_done
        )
        assert open_bytes <= 32 * 1024 * 1024


def test_java_properties_become_this_clients_options() -> None:
    from cli.kafka_client import client_options

    login = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="a\\"b";'
    options: dict[str, Any] = client_options(
        {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.jaas.config": login, "linger.ms": "3"}
    )
    assert options == {
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "u",
        "sasl_plain_password": 'a"b',
    }
    assert json.dumps(options)


def taken(content: bytes) -> list[bytes | None]:
    return list(events_of(io.BufferedReader(io.BytesIO(content)), "in")[0])


EVENT = b'{"session_id":"s","event_type":"erase","timestamp":5}'


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"[" + EVENT + b",\n " + EVENT + b"]\n", [EVENT, EVENT]),
        (b"[\n" + EVENT + b",\n" + EVENT + b"\n]", [EVENT, EVENT]),
        (b'{\n"session_id":"s"\n}\n{\n"a":1\n}\n', [b'{\n"session_id":"s"\n}', b'{\n"a":1\n}']),
        (gzip.compress(EVENT + b"\nx\n"), [EVENT, b"x"]),
        (gzip.compress(b"[" + EVENT + b"]"), [EVENT]),
        (b"\xef\xbb\xbf" + EVENT, [EVENT]),
        (b"[1]\n[2]\n", [b"[1]", b"[2]"]),
        (b"[" + EVENT + b"]\n[" + EVENT + b"]\n", [b"[" + EVENT + b"]"] * 2),
        (b"[no json,\n" + EVENT, [b"[no json,", EVENT]),
        (b'{"a":\n' + EVENT, [b'{"a":', EVENT]),
        (b"\xff\xfe\n" + EVENT, [b"\xff\xfe", EVENT]),
        (b"", []),
    ],
)
def test_lines_stay_as_they_are_and_a_whole_array_is_its_elements(content: bytes, values: list[bytes]) -> None:
    assert taken(content) == values


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (EVENT.decode().encode("utf-16"), "UTF-16"),
        (EVENT.decode().encode("utf-16-le"), "UTF-16"),
        (b"PAR1\x15\x04", "heliotrope replay"),
        (b"\x28\xb5\x2f\xfd\x01", "unpack it first"),
    ],
)
def test_what_is_no_text_stops_before_the_first_record(content: bytes, words: str) -> None:
    with pytest.raises(UserError, match=words):
        taken(content)


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line), min_size=2))
def test_after_a_line_of_json_nothing_is_anything_but_lines(lines: list[bytes]) -> None:
    lines = [EVENT, *lines]
    assert taken(b"".join(line + b"\n" for line in lines)) == lines
