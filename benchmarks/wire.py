"""Kafka's produce request, as little of it as a load generator needs: what is encoded beforehand costs next to nothing to send.

`kafka-python` needs tens of µs of CPU for each record, and at 10,000 a second would take from the job what it is to measure. The
layouts are those of Kafka's protocol guide: record batch of magic 2, and Produce version 7.
"""

import socket
import struct
from collections.abc import Iterable, Sequence

from crc32c import crc32c

Message = tuple[bytes, bytes]
"""Key and value of a record."""

PRODUCE = 0
VERSION = 7
CLIENT = b"benchmark"
TIMEOUT_MS = 30_000
NO_ERROR = 0
MOST_RECORDS = 8_192
"""In a batch: offsets in it then take two bytes."""

_AFTER_CRC = struct.Struct(
    ">hiqqqhii"
)  # attributes, last offset, first and last time, producer id and epoch, sequence, count
_HEAD = struct.Struct(">qiibI")  # base offset, length, leader epoch, magic, CRC


class ProduceError(Exception):
    """The broker refused a batch; the code is Kafka's."""


def varint(value: int) -> bytes:
    """A number ≥ 0 in Kafka's zigzag form."""
    rest, out = value << 1, bytearray()
    while rest > 0x7F:
        out.append(0x80 | (rest & 0x7F))
        rest >>= 7
    out.append(rest)
    return bytes(out)


_OFFSETS = [bytes((0x80 | (2 * index & 0x7F), 2 * index >> 7)) for index in range(MOST_RECORDS)]
_LENGTHS = [varint(length) for length in range(4_096)]


def batch(messages: Sequence[Message], time_ms: int) -> bytes:
    """A record batch; all records have the same time.

    Raises:
        ValueError: there are none, or more than `MOST_RECORDS`.
    """
    if not 0 < len(messages) <= MOST_RECORDS:
        raise ValueError(f"a batch of {len(messages)} records")
    parts: list[bytes] = []
    for offset, (key, value) in zip(_OFFSETS, messages, strict=False):
        body = b"".join((b"\0\0", offset, _LENGTHS[len(key)], key, _LENGTHS[len(value)], value, b"\0"))
        parts += (_LENGTHS[len(body)], body)
    count = len(messages)
    checked = _AFTER_CRC.pack(0, count - 1, time_ms, time_ms, -1, -1, -1, count) + b"".join(parts)
    return _HEAD.pack(0, len(checked) + 9, -1, 2, crc32c(checked)) + checked


def request(topic: str, batches: Iterable[tuple[int, bytes]], correlation: int) -> bytes:
    """A produce request of (partition, batch), each partition once; acknowledged by the leader alone."""
    entries = [struct.pack(">ii", partition, len(data)) + data for partition, data in batches]
    name = topic.encode()
    body = b"".join(
        (
            struct.pack(">hhih", PRODUCE, VERSION, correlation, len(CLIENT)) + CLIENT,
            struct.pack(">hhiih", -1, 1, TIMEOUT_MS, 1, len(name)) + name,
            struct.pack(">i", len(entries)),
            *entries,
        )
    )
    return struct.pack(">i", len(body)) + body


class Connection:
    """A connection to the broker that leads every partition; requests may go out before earlier ones are answered."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Sends a request."""
        self._socket.sendall(data)

    def read_answers(self, count: int) -> None:
        """Waits for so many answers."""
        for _ in range(count):
            self.read_answer()

    def read_answer(self) -> None:
        """Waits for the next answer.

        Raises:
            ProduceError: a batch was refused, or the broker has gone.
        """
        head = self._answers.read(4)
        if len(head) < 4:
            raise ProduceError("the broker closed the connection")
        check_answer(self._answers.read(struct.unpack(">i", head)[0]))

    def close(self) -> None:
        """Closes it."""
        self._answers.close()
        self._socket.close()


def check_answer(answer: bytes) -> None:
    """Looks for error codes in the answer to a request for one topic.

    Raises:
        ProduceError: there is one.
    """
    (name_length,) = struct.unpack_from(">h", answer, 8)
    at = 10 + name_length
    (count,) = struct.unpack_from(">i", answer, at)
    for index in range(count):
        partition, code = struct.unpack_from(">ih", answer, at + 4 + index * 30)
        if code != NO_ERROR:
            raise ProduceError(f"partition {partition}: error {code}")
