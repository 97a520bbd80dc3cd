"""Lines and JSON values of a stream, in bounded memory."""

import io
import re
from collections.abc import Iterator
from typing import IO

import msgspec

LARGEST_VALUE_BYTES = 16 * 1024 * 1024
"""Of one JSON value inside an array: beyond it the file is no list of events."""
CHUNK_BYTES = 256 * 1024
OUTSIDE = re.compile(rb'"[^"\\]*"|["{}\[\],]')
WITHIN = re.compile(rb'"[^"\\]*"|["{}\[\]]')  # in a value, where no comma matters
INSIDE = re.compile(rb'["\\]')
BLANK = b" \t\r\n"


def read_lines(stream: IO[bytes], limit: int) -> Iterator[bytes | None]:
    """Yield lines without their line feed, in bounded memory; None for a line of more than `limit` bytes."""
    while line := stream.readline(limit + 1):
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) <= limit:
            yield line
        else:
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                pass
            yield None


def json_layout(head: bytes) -> str:
    """Return `lines`, `array` (one array of objects) or `objects` (printed over several lines), from a file's first bytes.

    A line that is JSON by itself is a line, and so is everything that the first bytes do not show to be more.
    """
    text = head.lstrip(BLANK)
    first_line, _, after = text.partition(b"\n")
    if text.startswith(b"["):
        if is_json(first_line) and after.strip(BLANK):
            return "lines"
        return "array" if re.fullmatch(rb"\[\s*\]\s*", text) or _begins_with_object(text) else "lines"
    if not text.startswith(b"{") or is_json(first_line):
        return "lines"
    first = next(read_values(io.BytesIO(text), "objects"), b"")
    follows = text[len(first) :].lstrip(BLANK)[:1]
    return "objects" if is_json(first) and follows in (b"{", b"") else "lines"


def _begins_with_object(text: bytes) -> bool:
    try:
        first = next(read_values(io.BytesIO(text), "array"), b"")
    except ValueError:
        return False
    return first.startswith(b"{") and is_json(first)


def is_json(text: bytes) -> bool:
    """Return whether the bytes are one JSON value."""
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return True


def read_values(stream: IO[bytes], layout: str) -> Iterator[bytes]:
    """Yield the elements of one JSON array, or objects that follow each other (`objects`), each as its bytes.

    Finds where a value ends by brackets outside of strings, so a value that is no JSON spoils no other.

    Raises:
        ValueError: the array breaks off, something follows it, or a value is larger than `LARGEST_VALUE_BYTES`.
    """
    scan = _Scan(stream)
    if layout == "objects":
        while (end := scan.next_object()) is not None:
            if value := scan.cut(end).strip(BLANK + b","):
                yield value
        if value := bytes(scan.buffer).strip(BLANK + b","):
            yield value
        return
    count, more = 0, scan.enter()
    while more:
        end, more = scan.next_element(count)
        value = scan.cut(end).strip(BLANK)
        scan.cut(1)
        if value or more:
            count += 1
            yield value
    if (bytes(scan.buffer) + stream.read(CHUNK_BYTES)).strip(BLANK):
        raise ValueError("something follows the JSON array")


class _Scan:
    """Steps from bracket to bracket through a stream; no byte is looked at twice."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.buffer = bytearray()
        self._stream = stream
        self._at = 0
        self._depth = 0

    def cut(self, end: int) -> bytes:
        """Take the first bytes out of the buffer."""
        part = bytes(self.buffer[:end])
        del self.buffer[:end]
        self._at -= end
        return part

    def enter(self) -> bool:
        """Step over the bracket that opens the array; False without one."""
        if self._next_sign() != b"[":
            return False
        self.cut(self._at)
        return True

    def next_element(self, count: int) -> tuple[int, bool]:
        """Return where the element ends, and whether a comma follows."""
        while (sign := self._next_sign()) is not None:
            if sign in b"{[":
                self._depth += 1
            elif sign in b"}]":
                self._depth -= 1
                if self._depth < 0:
                    return self._at - 1, False
            elif self._depth == 0:
                return self._at - 1, True
        raise ValueError(f"the JSON array breaks off after {count} elements")

    def next_object(self) -> int | None:
        """Return the end of the next object; None if none is closed any more."""
        while (sign := self._next_sign()) is not None:
            if sign in b"{[":
                self._depth += 1
            elif sign in b"}]":
                self._depth = max(0, self._depth - 1)
                if self._depth == 0:
                    return self._at
        return None

    def _next_sign(self) -> bytes | None:
        """The next bracket or comma outside of strings, with `_at` behind it; None at the end."""
        inside = False
        while True:
            found = (INSIDE if inside else WITHIN if self._depth else OUTSIDE).search(self.buffer, self._at)
            if found is None:
                self._at = len(self.buffer)
                if not self._feed():
                    return None
                continue
            sign, self._at = found[0], found.end()
            if len(sign) > 1:  # a whole string without escapes
                continue
            if sign == b"\\":
                while self._at >= len(self.buffer):
                    if not self._feed():
                        return None
                self._at += 1
            elif sign == b'"':
                inside = not inside
            else:
                return sign

    def _feed(self) -> bool:
        if len(self.buffer) > LARGEST_VALUE_BYTES:
            raise ValueError(f"a JSON value is larger than {LARGEST_VALUE_BYTES >> 20} MiB")
        chunk = self._stream.read(CHUNK_BYTES)
        self.buffer += chunk
        return bool(chunk)
