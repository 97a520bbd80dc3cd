"""The directory: what it tells which category, record by record and in any order of gathering."""

import json
from typing import Any

import pytest

from state.catalogue.assortment.directory import Batch, Entry, Outcome, RecordPosition, apply_batch, read_batch
from state.catalogue.assortment.facts import AVAILABLE, WANTED, unpack
from state.catalogue.assortment.message import Act, Change, Message, encode_message, read_messages
from state.events.rejection import Reason

Row = tuple[bytes, bytes | None, RecordPosition | None, str]


def row(offset: int, product_id: str, category_id: str | None = "c1", key: str = "", **fields: Any) -> Row:
    """A record of the topic; without a category a removal."""
    value = (
        json.dumps({"product_id": product_id, "category_id": category_id} | fields).encode() if category_id else None
    )
    return (key or product_id).encode(), value, RecordPosition(0, offset, 1_000 + offset), product_id


def ask(product_id: str) -> Row:
    return product_id.encode(), None, None, ""


class Directory:
    """A shard with its state."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes] = {}

    def apply(self, *rows: Row) -> tuple[Batch, Outcome]:
        batch = read_batch(rows)
        names = {**batch.products, **dict.fromkeys(batch.wanted)}
        outcome = apply_batch(batch, {name: self.entries.get(name) for name in names})
        self.entries |= outcome.entries
        for name in outcome.removed:
            del self.entries[name]
        return batch, outcome

    def acts(self, *rows: Row) -> dict[str, list[tuple[Act, str]]]:
        changes = self.apply(*rows)[1].changes
        return {category: [(change.act, change.product_id) for change in told] for category, told in changes.items()}


def test_a_product_is_new_then_changed_then_gone() -> None:
    directory = Directory()
    assert directory.acts(row(1, "p", price=5)) == {"c1": [(Act.ADD, "p")]}
    assert directory.acts(row(2, "p", price=6)) == {"c1": [(Act.CHANGE, "p")]}
    assert directory.acts(row(3, "p", None)) == {"c1": [(Act.REMOVE, "p")]}
    assert directory.entries == {}
    _, outcome = directory.apply(row(4, "p", None))
    assert (outcome.changes, outcome.unknown) == ({}, ["p"])


def test_what_is_said_again_changes_nothing() -> None:
    directory = Directory()
    directory.acts(row(1, "p", price=5))
    _, outcome = directory.apply(row(2, "p", price=5, title="another title does not matter"))
    assert (outcome.changes, outcome.entries, outcome.unchanged) == ({}, {}, 1)


def test_a_move_leaves_one_category_and_is_new_in_the_other() -> None:
    directory = Directory()
    directory.acts(row(1, "p"))
    assert directory.acts(row(2, "p", "c2")) == {"c1": [(Act.LEAVE, "p")], "c2": [(Act.ADD, "p")]}
    assert directory.acts(row(3, "p", None)) == {"c2": [(Act.REMOVE, "p")]}


def test_the_highest_offset_of_a_product_wins_however_they_were_gathered() -> None:
    directory = Directory()
    _, outcome = directory.apply(row(9, "p", price=9), row(7, "p", None), row(8, "p", price=8), row(6, "q"))
    assert unpack(outcome.changes["c1"][-1].facts).price == 9
    assert directory.acts(row(12, "p", None), row(11, "p", price=1)) == {"c1": [(Act.REMOVE, "p")]}


def test_what_is_asked_for_is_answered_and_told_of_from_then_on() -> None:
    directory = Directory()
    assert directory.acts(ask("p")) == {}, "the shop has none"
    directory.acts(row(1, "p"))
    assert directory.acts(ask("p"), ask("p")) == {"c1": [(Act.REPORT, "p")]}
    _, outcome = directory.apply(row(2, "p", stock=0))
    assert outcome.changes["c1"][0].facts[0] == WANTED
    _, outcome = directory.apply(row(3, "p", "c2"))
    assert outcome.changes["c2"][0].facts[0] == AVAILABLE | WANTED
    _, outcome = directory.apply(row(4, "p", None), ask("p"))
    assert outcome.changes == {"c2": [Change(Act.REMOVE, "p", bytes((WANTED,)))]}
    assert directory.entries == {}


def test_a_product_that_comes_and_is_asked_for_at_once_is_answered_as_it_came() -> None:
    directory = Directory()
    assert directory.acts(ask("p"), row(1, "p")) == {"c1": [(Act.ADD, "p"), (Act.REPORT, "p")]}
    assert Entry.decode(directory.entries["p"]).is_wanted


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ((b"p", b"{", RecordPosition(3, 41, 5), ""), Reason.NOT_JSON),
        ((b"p", b"\xff\xfe", RecordPosition(3, 41, 5), ""), Reason.NOT_UTF8),
        ((b"p", b'{"product_id": "\xff"}', RecordPosition(3, 41, 5), ""), Reason.NOT_UTF8),
        ((b"p", b'{"product_id": "p\\udc00"}', RecordPosition(3, 41, 5), "p?"), Reason.NOT_UTF8),
        ((b"p", b"", RecordPosition(3, 41, 5), ""), Reason.EMPTY),
        ((b"", None, RecordPosition(3, 41, 5), ""), Reason.EMPTY),
        ((b"\xff", None, RecordPosition(3, 41, 5), "\ufffd"), Reason.EMPTY),
        ((b"p" * 129, None, RecordPosition(3, 41, 5), "p" * 129), Reason.EMPTY),
        ((b"p", b'{"product_id": "p"}', RecordPosition(3, 41, 5), "p"), Reason.MISSING_FIELD),
        ((b"p", b'{"product_id": "p", "category_id": "c", "stock": -1}', RecordPosition(3, 41, 5), "p"), Reason.INVALID_VALUE),
        ((b"p", b'{"product_id": "p", "category_id": "c", "created_at": 1e300}', RecordPosition(3, 41, 5), "p"), Reason.WRONG_TYPE),
        ((b"p", b'{"product_id": "q", "category_id": "c"}', RecordPosition(3, 41, 5), "p"), Reason.KEY_MISMATCH),
        ((b"p", b"[" * 70_000, RecordPosition(3, 41, 5), ""), Reason.TOO_LARGE),
    ],
)  # fmt: skip
def test_what_is_no_product_is_refused_and_the_product_stands(bad: Row, reason: Reason) -> None:
    directory = Directory()
    directory.acts(row(1, "p"))
    before = dict(directory.entries)
    batch, outcome = directory.apply(bad)
    [refused] = batch.refused
    assert (refused.rejection.reason, refused.position, refused.payload) == (reason, RecordPosition(3, 41, 5), bad[1])
    assert (outcome.changes, directory.entries) == ({}, before)


def test_entries_and_messages_of_another_release_are_refused() -> None:
    for read in (lambda: Entry.decode(b"\x09"), lambda: read_messages([b"\x09"])):
        with pytest.raises(ValueError, match="another release"):
            read()


def test_messages_come_in_the_order_of_their_versions() -> None:
    messages = [Message(version, [Change(Act.REMOVE, "p")]) for version in (3, 1, 2)]
    assert [m.version for m in read_messages(map(encode_message, messages))] == [1, 2, 3]
