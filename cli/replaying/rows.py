"""Rows of CSV, JSON lines and Parquet files, plain or gzipped."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from cli.errors import UserError
from cli.replaying.formats import Source

Row = Mapping[str, Any]
GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
LARGEST_FIELD_BYTES = 16 * 1024 * 1024
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".parquet": "parquet"}


def read_rows(path: Path, source: Source) -> Iterator[Row | bytes]:
    """The rows of a file by column name; raw bytes where a JSON line cannot be read as an object.

    Raises:
        UserError: the file cannot be read as what it is.
    """
    try:
        with path.open("rb") as stream:
            packed = stream.peek(2)[:2] == GZIP_MAGIC
            plain = cast(IO[bytes], gzip.GzipFile(fileobj=stream) if packed else stream)
            yield from _read(plain, source.kind or kind_of(path.name, plain), source)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"cannot read {path} ({error}): name a readable CSV, JSON lines or Parquet file") from None
    except (csv.Error, LookupError, ValueError) as error:
        raise UserError(f"cannot read {path} ({error}): check `source` of the mapping") from None


def kind_of(name: str, stream: IO[bytes]) -> str:
    """csv, jsonl or parquet: from the file's name, else from its first bytes."""
    suffix = Path(name.removesuffix(".gz")).suffix.lower()
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    head: bytes = stream.peek(64).lstrip()  # type: ignore[attr-defined]
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    return "jsonl" if head.startswith(b"{") else "csv"


def _read(stream: IO[bytes], kind: str, source: Source) -> Iterator[Row | bytes]:
    if kind == "csv":
        return _read_csv(stream, source)
    return _read_json_lines(stream) if kind == "jsonl" else _read_parquet(stream)


def _read_csv(stream: IO[bytes], source: Source) -> Iterator[Row]:
    csv.field_size_limit(LARGEST_FIELD_BYTES)
    text = io.TextIOWrapper(stream, encoding=source.encoding, errors="replace", newline="")
    rows = csv.reader(text, delimiter=source.delimiter)
    columns = next(rows, []) if source.header else source.columns
    columns = source.columns or [name.lstrip("\ufeff").strip() for name in columns]
    for values in rows:
        if values:
            yield dict(zip(columns, values, strict=False))


def _read_json_lines(stream: IO[bytes]) -> Iterator[Row | bytes]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    for line in stream:
        if not line.strip():
            continue
        try:
            yield decoder.decode(line)
        except (msgspec.DecodeError, UnicodeError):
            yield line.rstrip(b"\n")


def _read_parquet(stream: IO[bytes]) -> Iterator[Row]:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        # Parquet is read from its end, which a gzip stream reaches only by unpacking all of it.
        file = parquet.ParquetFile(stream if isinstance(stream, io.BufferedReader) else io.BytesIO(stream.read()))
        for batch in file.iter_batches(batch_size=8_192):
            yield from batch.to_pylist()
    except arrow.ArrowException as error:
        raise ValueError(str(error)) from None
