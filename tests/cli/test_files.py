"""Files as people have them: each is read, or named with what is wrong, before anything is sent."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cli.errors import UserError
from cli.files.lines import is_json, json_layout, read_values
from cli.files.rows import Broken, Rows, TooLarge, open_rows, read_rows
from cli.files.source import Source

ROWS = [{"a": "1", "b": "x"}, {"a": "2", "b": "é"}]
CSV = "a,b\n1,x\n2,é\n"
EVENTS: list[dict[str, Any]] = [{"a": ']}\\"[', "b": {"c": [1, 2]}}, {"a": "{,"}]


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("OVER", "/"), content)
    return packed.getvalue()


def written(tmp_path: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "source"),
    [
        (CSV.encode(), Source()),
        (CSV.encode("utf-8-sig"), Source()),
        (CSV.encode("utf-16"), Source()),
        (CSV.encode("utf-32"), Source()),
        (CSV.encode("utf-16-be"), Source(encoding="utf-16-be")),
        (CSV.encode("latin-1"), Source(encoding="latin-1")),
        (CSV.replace(",", ";").encode(), Source(delimiter=";")),
        (CSV.replace(",", "\t").encode(), Source(delimiter="\\t")),
        (CSV.replace(",", "\t").encode(), Source(delimiter="tab")),
        (CSV.replace(",", "::").encode(), Source(delimiter="::")),
        (CSV.replace("\n", "\r\n").encode(), Source()),
        (CSV.replace("\n", "\r").encode(), Source()),
        (CSV.replace("a,b\n", "").encode(), Source(header=False, columns=["a", "b"])),
        (gzip.compress(CSV.encode()), Source()),
        (bz2.compress(CSV.encode()), Source()),
        (lzma.compress(CSV.encode()), Source()),
        (zipped(inner=CSV.encode()), Source()),
        (zipped(inner=gzip.compress(CSV.encode())), Source()),
        (zipped(inner=CSV.encode(), __MACOSXOVERx=b"clutter"), Source()),
        (json.dumps(ROWS).encode(), Source()),
        (json.dumps(ROWS, indent=2).encode(), Source()),
        (json.dumps(ROWS, indent=2, ensure_ascii=False).encode("utf-16"), Source()),
        ("\n".join(json.dumps(row) for row in ROWS).encode(), Source()),
        ("\n".join(json.dumps(row, indent=2) for row in ROWS).encode(), Source()),
        ("".join(json.dumps(row) for row in ROWS).encode(), Source()),
    ],
)
def test_every_form_of_a_file_gives_its_rows(tmp_path: Path, content: bytes, source: Source) -> None:
    assert list(read_rows(written(tmp_path, content), source)) == ROWS


def test_parquet_is_known_by_its_bytes_and_not_by_its_name(tmp_path: Path) -> None:
    table = arrow.table({"a": ["1", "2"], "b": ["x", "é"]})
    path = tmp_path / "rows.csv"
    parquet.write_table(table, path)
    assert list(read_rows(path, Source(kind="csv"))) == ROWS
    packed = written(tmp_path, zipped(inner=path.read_bytes()), "rows.zip")
    assert list(read_rows(packed, Source())) == ROWS


@pytest.mark.parametrize(
    ("content", "source", "words"),
    [
        (b"", Source(), "is empty"),
        (gzip.compress(b""), Source(), "is empty"),
        (CSV.encode("utf-16-le"), Source(), "looks like utf-16-le"),
        (CSV.encode("utf-16-be"), Source(), "looks like utf-16-be"),
        (zipped(one=b"a", two=b"b"), Source(), "2 files (one, two)"),
        (zipped(), Source(), "0 files"),
        (zipped(**{"[Content_Types].xml": b"a", "two": b"b"}), Source(), "spreadsheet"),
        (zipped(inner=CSV.encode())[:-30], Source(), "zip archive that cannot be read"),
        (gzip.compress(CSV.encode() * 99)[:-20], Source(), "damaged"),
        (b"%PDF-1.7", Source(), "PDF"),
        (b"\0\1\2\3" * 99, Source(), "binary"),
        (b"PAR1nothing", Source(), "read as Parquet"),
        (CSV.encode(), Source(kind="parquet"), "not Parquet"),
        (json.dumps(ROWS)[:-1].encode(), Source(), "breaks off after 1 elements"),
        (json.dumps(ROWS).encode() + b"\n{}", Source(kind="csv", delimiter="\x01"), ""),
        (b"\xe9,b\n1,2\n", Source(), "latin-1"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, source: Source, words: str) -> None:
    if not words:
        assert list(read_rows(written(tmp_path, content), source))
        return
    with pytest.raises(UserError) as told:
        list(read_rows(written(tmp_path, content), source))
    assert words in str(told.value)


def test_a_directory_names_what_it_holds(tmp_path: Path) -> None:
    written(tmp_path, b"x", "clicks.csv")
    with pytest.raises(UserError, match=r"directory: name one file: it holds clicks\.csv"):
        list(read_rows(tmp_path, Source()))


def test_rows_that_cannot_be_read_keep_their_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,caf\xe9\n2,x,y\n3,z,\n4\n")
    rows = list(read_rows(path, Source()))
    assert rows[0] == b"1,caf\xe9"
    assert rows[1] == b"2,x,y"
    assert rows[2:] == [{"a": "3", "b": "z"}, {"a": "4"}]
    assert isinstance(rows[0], Broken)
    assert "0xe9" in rows[0].why


def test_two_ids_in_latin_1_never_become_one(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\ncaf\xe8,1\ncaf\xe9,1\n")
    assert len(set(map(bytes, read_rows(path, Source())))) == 2  # type: ignore[arg-type]
    assert list(read_rows(path, Source(encoding="latin-1"))) == [{"a": "cafè", "b": "1"}, {"a": "café", "b": "1"}]


def test_a_line_that_no_topic_takes_is_not_kept(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"a":1}\n{"b":"' + b"x" * 3_000_000 + b'"}\n{"c":1}\n')
    rows = list(read_rows(path, Source()))
    assert rows == [{"a": 1}, b"", {"c": 1}]
    assert isinstance(rows[1], TooLarge)


def test_the_place_of_a_row_is_known(tmp_path: Path) -> None:
    with open_rows(written(tmp_path, b'a\n"x\ny"\nz\n'), Source()) as rows:
        assert [rows.line for _ in rows] == [3, 4]


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        (b'{"a":1}\n{"b":1}', "lines"),
        (b'{"a":1\n{"b":1}', "lines"),
        (b'{"a":1} x', "lines"),
        (b"[1]\n[2]\n", "lines"),
        (b'[{"a":1}]\n[{"a":2}]\n', "lines"),
        (b"[no json\n{}", "lines"),
        (b'[{"a"\n{"a":1}\n', "lines"),
        (b"[]", "array"),
        (b'[{"a":1}]', "array"),
        (b'\n[\n{"a":1},', "array"),
        (b'{\n"a":1\n}\n', "objects"),
        (b'{"a":1}{"b":1}', "objects"),
    ],
)
def test_lines_are_lines_unless_the_bytes_show_more(content: bytes, layout: str) -> None:
    assert json_layout(content) == layout


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Slowly(io.BytesIO):
    """Gives a few bytes at a time, so that every place is the end of a chunk once."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._step)


@given(st.lists(JSON, max_size=6), st.integers(1, 7), st.sampled_from([None, 1]), st.booleans())
def test_an_array_gives_its_elements(values: list[Any], step: int, indent: int | None, ascii_only: bool) -> None:
    content = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert [json.loads(value) for value in read_values(Slowly(content, step), "array")] == values


@given(st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=6), st.integers(1, 7))
def test_objects_that_follow_each_other(values: list[Any], step: int) -> None:
    content = "\n".join(json.dumps(value, indent=1) for value in values).encode()
    assert [json.loads(value) for value in read_values(Slowly(content, step), "objects")] == values


HEADS = [
    b"",
    b"PAR1",
    b"\x1f\x8b\x08\0",
    b"PK\x03\x04",
    b"BZh91AY&SY",
    b"\xfd7zXZ\0",
    b"[",
    b'[{"a":',
    b"{",
    b"\xff\xfe",
]
HEADS += [b"\xef\xbb\xbf", b"a,b\n", b'"', b'{"a":1}\n', zipped(inner=b"a,b\n1,2\n"), gzip.compress(b"a\n1\n")]
SOURCES = [
    Source(),
    Source(delimiter="::"),
    Source(kind="jsonl"),
    Source(kind="csv", quote=""),
    Source(encoding="utf-16"),
]
SOURCES += [
    Source(kind="parquet"),
    Source(encoding="cp1252"),
    Source(header=False, columns=["x"]),
    Source(encoding="utf-7"),
]


def rows_or_error(path: Path, source: Source) -> list[Any] | str:
    try:
        return list(read_rows(path, source))
    except UserError as error:
        return str(error)


@given(st.sampled_from(HEADS), st.binary(max_size=200), st.sampled_from(SOURCES))
@example(b"", b'{"a":' * 20_000, Source())
@example(b"", b'[{"a":' * 20_000, Source())
@example(b'[{"a":1},', b'{"a":' * 20_000, Source())
def test_any_bytes_give_rows_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, head: bytes, rest: bytes, source: Source
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(head + rest)
    outcome = rows_or_error(path, source)
    if isinstance(outcome, str):
        assert str(path) in outcome
    else:
        assert all(isinstance(row, dict | Broken) for row in outcome)


@given(st.binary(max_size=100))
def test_no_bytes_break_the_look_at_json(content: bytes) -> None:
    assert json_layout(content) in ("lines", "array", "objects")
    is_json(content)


def test_what_is_said_of_a_file(tmp_path: Path) -> None:
    with open_rows(written(tmp_path, zipped(clicks=CSV.encode("utf-16"))), Source()) as rows:
        assert isinstance(rows, Rows)
        assert rows.read_as() == 'CSV with separator ",", encoding utf-16, zip of clicks'
