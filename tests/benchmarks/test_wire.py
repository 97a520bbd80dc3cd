"""The benchmarks' produce requests, read back by a Kafka client."""

import struct

import pytest
from kafka.record.memory_records import MemoryRecords

from benchmarks.preload import partition_of
from benchmarks.wire import MOST_RECORDS, ProduceError, batch, check_answer, request, varint


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300, MOST_RECORDS])
def test_a_batch_is_read_as_it_was_written(count: int) -> None:
    written = [(b"key-%d" % number, b"v" * (number % 500)) for number in range(count)]
    found = MemoryRecords(batch(written, 1_763_770_000_123)).next_batch()
    assert found.validate_crc()
    records = list(found)
    assert [(record.key, record.value) for record in records] == written
    assert [record.offset for record in records] == list(range(count))
    assert {record.timestamp for record in records} == {1_763_770_000_123}


@pytest.mark.parametrize("count", [0, MOST_RECORDS + 1])
def test_a_batch_has_bounds(count: int) -> None:
    with pytest.raises(ValueError, match="records"):
        batch([(b"", b"")] * count, 0)


@pytest.mark.parametrize(("number", "written"), [(0, b"\x00"), (63, b"\x7e"), (64, b"\x80\x01"), (300, b"\xd8\x04")])
def test_numbers_are_in_zigzag(number: int, written: bytes) -> None:
    assert varint(number) == written


def test_a_request_names_its_length_topic_and_partitions() -> None:
    data = request("shop", [(3, b"abc"), (5, b"de")], correlation=7)
    assert struct.unpack_from(">i", data)[0] == len(data) - 4
    assert struct.unpack_from(">hhi", data, 4) == (0, 7, 7)
    assert data.endswith(b"\0\x04shop" + struct.pack(">iii", 2, 3, 3) + b"abc" + struct.pack(">ii", 5, 2) + b"de")


def test_a_refused_batch_is_an_error() -> None:
    def answer(*codes: int) -> bytes:
        entries = b"".join(struct.pack(">ihqqq", partition, code, 0, -1, 0) for partition, code in enumerate(codes))
        return struct.pack(">iih4si", 1, 1, 4, b"shop", len(codes)) + entries + struct.pack(">i", 0)

    check_answer(answer(0, 0, 0))
    with pytest.raises(ProduceError, match="partition 1: error 10"):
        check_answer(answer(0, 10, 0))


def test_a_key_stays_in_its_partition() -> None:
    places = {partition_of(b"session-%d" % number, 8) for number in range(200)}
    assert places == set(range(8))
    assert partition_of(b"session-1", 8) == partition_of(b"session-1", 8)
