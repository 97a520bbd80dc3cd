"""What is not seen for long is forgotten, with its list; and every form of state goes through bytes and back."""

import pytest

from state.together.listing import Pair, decode_list, encode_list, list_key, read_key
from state.together.periods import CHUNK, PERIODS_KEPT, read_chunk
from state.together.row import Row
from state.together.shard import ROWS_IN_MEMORY, Shard
from tests.state.together.test_counts import RULES, T0, Counts, basket

HALF_LIFE = RULES.half_life_ms


def swept(counts: Counts, now_ms: int) -> dict[bytes, bytes | None]:
    """All due chunks dealt with, as the operator does."""
    counts.chunks |= counts.shard.roll(now_ms)
    ended: dict[bytes, bytes | None] = {}
    while (name := counts.shard.due_chunk(now_ms)) is not None:
        products = read_chunk(counts.chunks.pop(name))
        for product in counts.shard.missing(products):
            counts.shard.hold(product, counts.rows.get(product))
        records, gone = counts.shard.sweep(name, products)
        ended |= dict(records)
        for product in gone:
            del counts.rows[product]
    return ended


def test_a_product_that_was_not_seen_again_is_forgotten_and_its_list_ends() -> None:
    counts = Counts()
    for _ in range(5):
        counts.count(basket("printer", "ink") + basket("novel", "atlas"))
    counts.lists()
    later_ms = T0 + 2 * HALF_LIFE
    counts.count(basket("novel", "atlas", at_ms=later_ms), later_ms)
    counts.restart()
    assert swept(counts, T0 + PERIODS_KEPT * HALF_LIFE) == {}
    ended = swept(counts, T0 + (PERIODS_KEPT + 2) * HALF_LIFE)
    assert ended == {b"together/bought/printer": None, b"together/bought/ink": None}
    assert counts.rows.keys() == {"novel", "atlas"}
    swept(counts, T0 + 2 * (PERIODS_KEPT + 2) * HALF_LIFE)
    assert (counts.rows, counts.chunks) == ({}, {})
    assert counts.shard.is_empty


def test_many_products_are_forgotten_chunk_by_chunk() -> None:
    counts = Counts()
    for number in range(3 * CHUNK):
        counts.count(basket(f"p{number}"))
    assert len(counts.chunks) == 3
    assert swept(counts, T0 + 9 * HALF_LIFE) == {}
    assert (counts.rows, counts.chunks) == ({}, {})


def test_memory_holds_the_newest_rows_only() -> None:
    counts = Counts()
    for number in range(ROWS_IN_MEMORY + 10):
        counts.count(basket(f"p{number}"))
        counts.shard.trim()
    assert counts.shard.missing(counts.rows) == [f"p{number}" for number in range(10)]


def test_a_list_is_handed_on_again_only_when_it_changed() -> None:
    counts = Counts()
    for _ in range(40):
        counts.count(basket("printer", "ink"))
    assert set(counts.lists()) == {b"together/bought/printer", b"together/bought/ink"}
    counts.count(basket("printer", "ink") + basket("novel"))
    counts.restart()
    assert counts.shard.pending == ["printer", "ink"]
    assert counts.lists() == {}
    for _ in range(5):
        counts.count(basket("printer", "paper"))
    assert set(counts.lists()) == {b"together/bought/printer", b"together/bought/paper"}


def test_a_list_and_its_key_go_through_bytes_and_back() -> None:
    pairs = [Pair("ink/1", 4.25, 12.0), Pair("紙", 1.5, 3.125)]
    assert decode_list(encode_list(pairs)) == pairs
    assert read_key(list_key("bought", "a/b/c")) == ("bought", "a/b/c")
    for key in (b"category/c1", b"together/sold/a", b"together/bought/", b"together", b""):
        assert read_key(key) is None


@pytest.mark.parametrize("data", [b"\x02\x90", b"", b"\x01\xc1", b"\x01\x91\x01"])
def test_bytes_of_another_release_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"another release|malformed|Expected|truncated"):
        decode_list(data)
    if data[:1] != b"\x01":
        for decode in (Row.decode, lambda found: Shard.open("bought/0/1", found, RULES)):
            with pytest.raises(ValueError, match="another release"):
                decode(data)


def test_a_row_goes_through_bytes_and_back() -> None:
    row = Row(T0)
    row.single, row.period_ms, row.listed = 7.5, T0, b"12345678"
    for number in range(5):
        row.add(f"p{number}", number + 0.5, 2.0, 3)
    again = Row.decode(row.encode())
    assert again.encode() == row.encode()
    assert (again.landmark_ms, again.single, again.listed) == (T0, 7.5, b"12345678")
    assert {name: c.count for name, c in again.partners.items()} == {n: c.count for n, c in row.partners.items()}
