"""Opening a file by what it holds: packing, byte order mark and encoding are recognised from its bytes, not its name."""

import bz2
import codecs
import gzip
import io
import lzma
import os
import zipfile
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from cli.errors import UserError

HEAD_BYTES = 64 * 1024
PARQUET_MAGIC = b"PAR1"
BUFFER_BYTES = 256 * 1024
MOST_LAYERS = 3  # a gzip file inside a zip file is real; endless nesting is an attack
SHOWN_NAMES = 8
BINARY_SHARE = 0.1  # of NUL bytes, which text has none of

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
UNREADABLE_KINDS = (
    (b"\x28\xb5\x2f\xfd", "packed with zstd: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it and name one file of it"),
    (b"Rar!", "a rar archive: unpack it and name one file of it"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document: save it as CSV"),
    (b"%PDF", "a PDF: export the data as CSV"),
    (b"SQLite format 3\0", "an SQLite database: export a table as CSV"),
    (b"Obj\x01", "an Avro file: convert it to Parquet or JSON lines"),
    (b"ORC", "an ORC file: convert it to Parquet or JSON lines"),
)


class Opened(msgspec.Struct):
    """A file without its packing.

    Attributes:
        stream: UTF-8 without a byte order mark, unless the file is Parquet.
        head: the first bytes of `stream`, which still gives them.
        encoding: of the text in the file; `recoded` where that is not UTF-8.
        packing: what was taken off, for messages.
        raw: the file itself, for its position.
    """

    stream: io.BufferedReader
    head: bytes
    encoding: str
    recoded: bool
    packing: str
    raw: IO[bytes]

    @property
    def is_parquet(self) -> bool:
        """Whether the bytes are Parquet's."""
        return self.head.startswith(PARQUET_MAGIC)


class _Rewound(io.RawIOBase):
    """Gives bytes that were already read once more, then the rest."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            part, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            part = self._rest.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)


class _Recoded(io.RawIOBase):
    """UTF-8 from text in another encoding; a byte that has no meaning there becomes an escape, so that no two ids meet."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding=encoding, errors="backslashreplace", newline="")
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = self._text.read(BUFFER_BYTES // 4).encode("utf-8", "backslashreplace")
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def read_head(stream: IO[bytes], size: int = HEAD_BYTES) -> tuple[bytes, io.BufferedReader]:
    """Return the first bytes of a stream, and a stream that still begins with them."""
    parts: list[bytes] = []
    left = size
    while left and (part := stream.read(left)):
        parts.append(part)
        left -= len(part)
    head = b"".join(parts)
    return head, io.BufferedReader(_Rewound(head, stream), BUFFER_BYTES)


def open_file(path: Path, encoding: str | None = None) -> Opened:
    """Return the file without its packing, as UTF-8 unless it is Parquet.

    Raises:
        UserError: it cannot be read, is empty, or is of a kind that is not read.
        OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile: its packing is damaged.
    """
    return unpack(open_raw(path), str(path), encoding)


def open_raw(path: Path) -> io.BufferedReader:
    """Return the file itself.

    Raises:
        UserError: it is a directory, not there, or not ours to read.
    """
    try:
        if path.is_dir():
            names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
            held = f": it holds {', '.join(names[:SHOWN_NAMES])}" if names else ""
            raise UserError(f"{path} is a directory: name one file{held}")
        return path.open("rb")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path} ({why}): name a readable CSV, JSON lines or Parquet file") from None


def unpack(raw: IO[bytes], name: str, encoding: str | None) -> Opened:
    """Return what `open_file` does with an open file."""
    head, stream, packing = open_packing(raw, name)
    if head.startswith(PARQUET_MAGIC):
        return Opened(stream, head, "binary", False, packing, raw)
    for magic, what in UNREADABLE_KINDS:
        if head.startswith(magic):
            raise UserError(f"{name} is {what}")
    if head[257:262] == b"ustar":
        raise UserError(f"{name} is a tar archive: unpack it and name one file of it")
    return _as_text(stream, head, name, encoding, packing, raw)


def open_packing(raw: IO[bytes], name: str) -> tuple[bytes, io.BufferedReader, str]:
    """Return the first bytes inside of all packing, the stream that begins with them, and what was taken off.

    Raises:
        UserError: an archive does not hold exactly one file.
    """
    packings: list[str] = []
    head, stream = read_head(raw)
    for _ in range(MOST_LAYERS):
        inner, packing = _inside(head, stream, raw, name)
        if inner is None:
            break
        packings.append(packing)
        head, stream = read_head(inner)
    return head, stream, ", ".join(packings)


def _inside(head: bytes, stream: io.BufferedReader, raw: IO[bytes], name: str) -> tuple[IO[bytes] | None, str]:
    if head.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.GzipFile(fileobj=stream)), "gzip"
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return bz2.BZ2File(stream), "bzip2"
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.LZMAFile(stream), "xz"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _only_member(stream, raw, name)
    return None, ""


def _only_member(stream: io.BufferedReader, raw: IO[bytes], name: str) -> tuple[IO[bytes], str]:
    try:
        raw.seek(0)
        archive = zipfile.ZipFile(raw)
        members = [item for item in archive.infolist() if not _is_clutter(item)]
        names = [item.filename for item in members]
        if any(inner in ("[Content_Types].xml", "mimetype") for inner in names):
            raise UserError(f"{name} is a spreadsheet or a document: save it as CSV")
        if len(members) != 1:
            listed = ", ".join(names[:SHOWN_NAMES]) or "no file"
            raise UserError(
                f"{name} is a zip archive of {len(members)} files ({listed}): unpack it and name one of them"
            )
        return archive.open(members[0]), f"zip of {names[0]}"
    except (io.UnsupportedOperation, zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        raise UserError(f"{name} is a zip archive that cannot be read ({error}): unpack it first") from None


def _is_clutter(item: zipfile.ZipInfo) -> bool:
    parts = item.filename.split("/")
    return item.is_dir() or parts[0] == "__MACOSX" or parts[-1].startswith(".")


def _as_text(
    stream: io.BufferedReader, head: bytes, name: str, encoding: str | None, packing: str, raw: IO[bytes]
) -> Opened:
    if not head:
        raise UserError(f"{name} is empty: name a file with rows")
    mark, marked = next(((mark, found) for mark, found in BYTE_ORDER_MARKS if head.startswith(mark)), (b"", None))
    used = marked or encoding
    if used is None:
        _check_is_text(head, name)
        used = "utf-8"
    if codecs.lookup(used).name == "utf-8":
        stream.read(len(mark))
        return Opened(stream, head[len(mark) :], used, False, packing, raw)
    head, stream = read_head(cast(IO[bytes], io.BufferedReader(_Recoded(stream, used), BUFFER_BYTES)))
    return Opened(stream, head, used, True, packing, raw)


def _check_is_text(head: bytes, name: str) -> None:
    for first, wide in ((1, "utf-16-le"), (0, "utf-16-be")):
        part = head[first::2]
        if len(head) >= 4 and part.count(0) > 0.7 * len(part):
            raise UserError(f"{name} is not UTF-8 but looks like {wide}: set `encoding: {wide}`, or save it as UTF-8")
    if head.count(0) > BINARY_SHARE * len(head):
        raise UserError(f"{name} is binary (encoding unknown): name a CSV, JSON lines or Parquet file")


def size_of(raw: IO[bytes]) -> int | None:
    """Return the bytes of a regular file; None for a pipe."""
    try:
        return os.fstat(raw.fileno()).st_size or None if raw.seekable() else None
    except (OSError, ValueError):
        return None
