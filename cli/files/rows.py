"""Rows of CSV, JSON and Parquet files, with what is known of the file for messages."""

import csv
import io
import lzma
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from cli.errors import UserError
from cli.files.lines import json_layout, read_lines, read_values
from cli.files.opening import Opened, open_file, size_of
from cli.files.source import Source, separator_name, separator_of

Row = Mapping[str, Any]
LARGEST_FIELD_CHARACTERS = 16 * 1024 * 1024
LARGEST_LINE_BYTES = 2 * 1024 * 1024 - 4096  # the topic takes no more
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".dat": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
}
PACKED_SUFFIXES = re.compile(r"\.(gz|bz2|xz|zip)$", re.IGNORECASE)
JSON_BEGINNING = re.compile(rb'\s*(\{\s*["}]|\[\s*[{\]])')
BROKEN_FILE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)


class Broken(bytes):
    """A row that cannot be read, as its bytes; `why` says in a few words what is wrong."""

    why: str

    def __new__(cls, content: bytes, why: str) -> "Broken":  # noqa: D102
        row = super().__new__(cls, content)
        row.why = why
        return row


class TooLarge(Broken):
    """A row that no topic takes; its bytes are not kept."""

    def __new__(cls) -> "TooLarge":  # noqa: D102
        row = bytes.__new__(cls)
        row.why = "over 2 MiB, which the topic does not take"
        return row


class Rows:
    """The rows of one file: a mapping by column, `Broken` bytes, `TooLarge` among them.

    Attributes:
        kind: csv, jsonl or parquet; `layout` of JSON: lines, array or objects.
        columns: of a CSV or Parquet file; None for JSON, where each row has its own.
        separator: of a CSV file.
        first_line: of a CSV file, as it stands.
        line: the number of the row that was given last; lines of a CSV or JSON lines file, else rows.
    """

    def __init__(self, opened: Opened, source: Source, name: str) -> None:
        self._opened, self._source, self.name = opened, source, name
        self.kind = _kind_of(name, opened, source.kind)
        self.layout = json_layout(opened.head) if self.kind == "jsonl" else ""
        self.columns: list[str] | None = None
        self.separator = separator_of(source.delimiter) or ("\t" if _suffix(name) == ".tsv" else ",")
        self.first_line = opened.head.partition(b"\n")[0].decode("utf-8", "backslashreplace").rstrip("\r")
        self.looks_like_json = bool(JSON_BEGINNING.match(opened.head))
        self.line = 0
        self.size = size_of(opened.raw)
        self._rows = self._guarded(self._begin())

    def __iter__(self) -> Iterator[Row | Broken]:
        return self._rows

    @property
    def encoding(self) -> str:
        """Of the text in the file."""
        return self._opened.encoding

    @property
    def position(self) -> int:
        """How many bytes of the file were read."""
        try:
            return self._opened.raw.tell()
        except (OSError, ValueError):
            return 0

    def read_as(self) -> str:
        """Return how the file was read, for messages: its kind, separator, encoding and packing."""
        if self.kind == "parquet":
            words = ["Parquet"]
        elif self.kind == "csv":
            header = "" if self._source.header else ", no header"
            words = [f"CSV with separator {separator_name(self.separator)}{header}", f"encoding {self.encoding}"]
        else:
            layouts = {"lines": "JSON lines", "array": "a JSON array", "objects": "JSON objects"}
            words = [layouts[self.layout], f"encoding {self.encoding}"]
        return ", ".join([*words, self._opened.packing] if self._opened.packing else words)

    def _begin(self) -> Iterator[Row | Broken]:
        if self.kind == "csv":
            return self._read_csv()
        return self._read_json() if self.kind == "jsonl" else self._read_parquet()

    def _guarded(self, rows: Iterator[Row | Broken]) -> Iterator[Row | Broken]:
        try:
            yield from rows
        except BROKEN_FILE as error:
            raise UserError(f"cannot read {self.name} ({error}): the file is damaged, fetch or pack it again") from None
        except (csv.Error, LookupError, ValueError, OverflowError, RecursionError) as error:
            where = f"line {self.line + 1}: " if self.kind == "csv" else ""
            raise UserError(
                f"cannot read {self.name} ({where}{error}), read as {self.read_as()}: "
                "check --delimiter, --encoding, or `source` of the mapping"
            ) from None

    def _read_csv(self) -> Iterator[Row | Broken]:
        rows = self._split_lines()
        header = next(rows, []) if self._source.header else []
        self.columns = self._source.columns or [name.strip() for name in header]
        if _is_undecodable(joined := self.separator.join(header)):
            raise ValueError(f"its first line is {_not_utf8(joined)}")
        width = len(header)
        for values in rows:
            if not values:
                continue
            width = width or len(values)  # a file without a header is as wide as its first row
            joined = self.separator.join(values)
            if not joined.isascii() and _is_undecodable(joined):
                yield Broken(joined.encode("utf-8", "surrogateescape"), _not_utf8(joined))
            elif len(values) > width and any(values[width:]):
                yield Broken(joined.encode(), f"{len(values)} values, but the first line has {width}")
            else:
                yield dict(zip(self.columns, values, strict=False))

    def _split_lines(self) -> Iterator[list[str]]:
        text = io.TextIOWrapper(self._opened.stream, encoding="utf-8", errors="surrogateescape", newline="")
        if len(self.separator) > 1:
            for self.line, line in enumerate(_text_lines(text), 1):
                stripped = line.rstrip("\r\n")
                yield stripped.split(self.separator) if stripped else []
            return
        csv.field_size_limit(LARGEST_FIELD_CHARACTERS)
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self._source.quote else csv.QUOTE_NONE
        reader = csv.reader(
            _text_lines(text), delimiter=self.separator, quotechar=self._source.quote or None, quoting=quoting
        )
        for values in reader:
            self.line = reader.line_num
            yield values

    def _read_json(self) -> Iterator[Row | Broken]:
        decoder = msgspec.json.Decoder(dict[str, Any])
        stream = self._opened.stream
        values = read_lines(stream, LARGEST_LINE_BYTES) if self.layout == "lines" else read_values(stream, self.layout)
        for value in values:
            self.line += 1
            if value is None or len(value) > LARGEST_LINE_BYTES:
                yield TooLarge()
                continue
            if self.layout == "lines" and not value.strip():
                continue
            try:
                yield decoder.decode(value)
            except RecursionError:
                yield Broken(value, "nested too deep")
            except (msgspec.DecodeError, UnicodeError) as error:
                yield Broken(value.rstrip(b"\r"), f"no JSON object: {error}")

    def _read_parquet(self) -> Iterator[Row | Broken]:
        import pyarrow as arrow
        import pyarrow.parquet as parquet

        try:
            with self._seekable() as content:
                file = parquet.ParquetFile(content)
                self.columns = list(file.schema_arrow.names)
                for batch in file.iter_batches(batch_size=8_192):
                    for row in batch.to_pylist():
                        self.line += 1
                        yield row
        except (arrow.ArrowException, OSError) as error:
            raise ValueError(str(error)) from None

    @contextmanager
    def _seekable(self) -> Iterator[IO[bytes]]:
        """The content for a reader that begins at the end; unpacked into a file without a name where it must be."""
        if not self._opened.packing and self._opened.raw.seekable():
            self._opened.raw.seek(0)
            yield self._opened.raw
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(self._opened.stream, unpacked)
            unpacked.seek(0)
            yield unpacked


@contextmanager
def open_rows(path: Path, source: Source) -> Iterator[Rows]:
    """Yield the rows of a file.

    Raises:
        UserError: the file cannot be read as what it is; also while rows are taken.
    """
    try:
        opened = open_file(path, source.encoding)
    except BROKEN_FILE as error:
        raise UserError(f"cannot read {path} ({error}): the file is damaged, fetch or pack it again") from None
    except (UnicodeError, LookupError) as error:
        raise UserError(f"cannot read {path} ({error}): check `source.encoding` of the mapping") from None
    with opened.raw:
        yield Rows(opened, source, str(path))


def read_rows(path: Path, source: Source) -> Iterator[Row | Broken]:
    """Yield the rows of a file, for who needs nothing else of it."""
    with open_rows(path, source) as rows:
        yield from rows


def _text_lines(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LARGEST_FIELD_CHARACTERS + 1):
        if len(line) > LARGEST_FIELD_CHARACTERS:
            raise ValueError(f"a line of over {LARGEST_FIELD_CHARACTERS >> 20} million characters")
        yield line


def _is_undecodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _not_utf8(text: str) -> str:
    """Text of CSV files is read as UTF-8; this names the byte that is none, and what helps."""
    byte = next(ord(character) & 0xFF for character in text if "\udc80" <= character <= "\udcff")
    return f"not UTF-8: byte 0x{byte:02x}; set --encoding latin-1, cp1252 or what it is"


def _suffix(name: str) -> str:
    return Path(PACKED_SUFFIXES.sub("", name)).suffix.lower()


def _kind_of(name: str, opened: Opened, wanted: str | None) -> str:
    """Parquet by its bytes in any case; else what the mapping says, what JSON looks like, and the name."""
    if opened.is_parquet:
        return "parquet"
    if wanted == "parquet":
        raise UserError(f"{name} is not Parquet, as `source.kind` of the mapping says: correct it, or fetch it again")
    if wanted:
        return wanted
    if JSON_BEGINNING.match(opened.head):
        return "jsonl"
    kind = SUFFIXES.get(_suffix(name), "csv")
    if kind == "parquet":
        raise UserError(f"{name} is not Parquet in spite of its name: fetch it again, or give it another name")
    return kind
