"""A host's file of products: what goes in comes out, whoever reads, and whatever the file was before."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from serving.metadata.store import Change, Reader, Writer, change_of
from state.catalogue.product import read_product, safe_link
from state.events.rejection import Rejection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "products.sqlite"


def change(product_id: str, **fields: Any) -> Change:
    product = read_product(json.dumps({"product_id": product_id, "category_id": "c", **fields}).encode())
    assert not isinstance(product, Rejection)
    return change_of(product)


def found(path: Path, *product_ids: str) -> dict[str, Any]:
    reader = Reader(path)
    try:
        return {name: json.loads(shown) for name, shown in reader.find(product_ids).items()}
    finally:
        reader.close()


def test_what_a_page_shows_is_kept_and_nothing_else(path: Path) -> None:
    writer = Writer(path)
    full = {"title": "T", "price": 9.5, "image": "https://x/i.png", "url": "/p/1"}
    writer.apply([change("p1", rating=4.5, **full), change("p2", title="Only"), change("p3")], {0: 3})
    assert found(path, "p1", "p2", "p3", "none") == {"p1": full, "p2": {"title": "Only"}, "p3": {}}
    assert (writer.positions(), writer.count()) == ({0: 3}, 3)
    writer.close()


def test_the_newest_change_of_a_product_wins_and_removals_remove(path: Path) -> None:
    writer = Writer(path)
    writer.apply([change("a", title="old"), change("a", title="new"), change("b"), Change("b", None)], {0: 4})
    assert found(path, "a", "b") == {"a": {"title": "new"}}
    writer.apply([Change("a", None), change("b", title="back")], {0: 6})
    assert found(path, "a", "b") == {"b": {"title": "back"}}
    writer.close()


def test_a_reader_sees_changes_and_a_file_that_was_made_anew(path: Path) -> None:
    reader = Reader(path)
    assert reader.find(["a"]) == {}
    writer = Writer(path)
    writer.apply([change("a", title="1")], {0: 1})
    assert b'"1"' in reader.find(["a"])["a"]
    writer.apply([change("a", title="2")], {0: 2})
    assert b'"2"' in reader.find(["a"])["a"]
    writer.close()
    for file in path.parent.glob("products.sqlite*"):
        file.unlink()
    writer = Writer(path)
    assert reader.find(["a"]) == {}
    writer.apply([change("a", title="3")], {0: 1})
    assert b'"3"' in reader.find(["a"])["a"]
    writer.close()
    reader.close()


def test_a_second_round_drops_what_it_did_not_meet_once_it_is_complete(path: Path) -> None:
    writer = Writer(path)
    writer.begin_round({"topic": "one"})
    writer.apply([change("stays"), change("goes")], {0: 2, 1: 7})
    writer.end_round(1_000)
    writer.begin_round({"topic": "two"})
    assert (writer.positions(), writer.fact("topic"), writer.fact("complete_at_ms")) == ({}, "two", None)
    writer.apply([change("stays", title="new")], {0: 1})
    assert set(found(path, "stays", "goes")) == {"stays", "goes"}, "until then the old ones are better than none"
    writer.end_round(2_000)
    assert found(path, "stays", "goes") == {"stays": {"title": "new"}}
    writer.close()
    again = Writer(path)
    assert (again.round, again.positions(), again.fact("complete_at_ms")) == (2, {0: 1}, 2_000)
    again.close()


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be one" * 100, b""])
def test_a_file_that_is_no_database_is_made_anew(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert found(path, "a") == {}
    writer = Writer(path)
    writer.apply([change("a", title="1")], {0: 1})
    assert found(path, "a") == {"a": {"title": "1"}}
    writer.close()


def test_a_file_of_another_release_is_made_anew(path: Path) -> None:
    writer = Writer(path)
    writer.begin_round({"topic": "one"})
    writer.apply([change("a")], {0: 1})
    writer.close()
    with sqlite3.connect(path) as file:
        file.execute("UPDATE facts SET value = 99 WHERE name = 'form'")
    file.close()
    writer = Writer(path)
    assert (writer.count(), writer.positions(), writer.round) == (0, {}, 0)
    writer.close()


def test_ids_are_looked_up_as_they_are(path: Path) -> None:
    names = ["'; DROP TABLE products; --", "é", "%", "_", '"', "日本", *(f"n{number}" for number in range(1_200))]
    writer = Writer(path)
    writer.apply([change(name, title=name) for name in names], {0: 1})
    assert found(path, *names) == {name: {"title": name} for name in names}
    writer.close()


@pytest.mark.parametrize(
    "link",
    [
        "https://a/b?c=d:e#f",
        "HTTP://a",
        "//cdn/x.png",
        "/p/1",
        "p/1",
        "?q=a:b",
        "#a:b",
        "./a:b",
        "x.png",
        " https://a ",
    ],
)
def test_links_of_http_and_relative_ones_are_safe(link: str) -> None:
    assert safe_link(link) == link.strip()


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        " JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "ftp://a",
        "a:b",
        "https://a/\x00",
        "",
        "   ",
        "/" * 2_049,
        None,
        5,
        ["https://a"],
        {"href": "https://a"},
    ],
)
def test_other_links_say_nothing_and_refuse_no_product(link: Any) -> None:
    assert safe_link(link) is None
    assert change("p", title="T", url=link, image=link) == Change("p", b'{"title":"T"}')
