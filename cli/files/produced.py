"""What `produce` sends of an input: its lines as they are, or the elements of what is clearly one JSON array."""

import io
from collections.abc import Iterator

from cli.errors import UserError
from cli.files.lines import is_json, json_layout, read_lines, read_values
from cli.files.opening import BYTE_ORDER_MARKS, PARQUET_MAGIC, open_packing, read_head
from cli.kafka_client import MAX_VALUE_BYTES

UTF8_MARK = BYTE_ORDER_MARKS[0][0]
PACKED = (b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\0", b"PK\x03\x04")
OTHER_BYTES = (b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c")
WIDE_BEGINNINGS = (b"{\0", b"[\0", b"\0{", b"\0[")
WIDE_SHARE = 0.3  # of NUL bytes: UTF-16 of Latin text has half
LAYOUTS = {"lines": "JSON lines", "array": "a JSON array", "objects": "JSON objects"}


def events_of(raw: io.BufferedReader, name: str) -> tuple[Iterator[bytes | None], str]:
    """Return the values to send, None for one that no topic takes, and what the input was taken for.

    A line is never refused, whatever it holds. Only an input that is no text as a whole stops, before anything is sent.

    Raises:
        UserError: the input is UTF-16, Parquet or another file of bytes.
        ValueError: while values are taken: the JSON array breaks off.
    """
    stream, packing = raw, ""
    if stream.peek().startswith(PACKED):
        _, stream, packing = open_packing(raw, name)
    _refuse_bytes(stream.peek(), name)
    beginning = stream.peek()
    if beginning.startswith(UTF8_MARK) and beginning[len(UTF8_MARK) :].lstrip()[:1] in (b"{", b"["):
        stream.read(len(UTF8_MARK))
    layout, stream = _layout(stream)
    if layout == "lines":
        values: Iterator[bytes | None] = read_lines(stream, MAX_VALUE_BYTES)
    else:
        values = (value if len(value) <= MAX_VALUE_BYTES else None for value in read_values(stream, layout))
    return values, f"{LAYOUTS[layout]}, {packing}" if packing else LAYOUTS[layout]


def _layout(stream: io.BufferedReader) -> tuple[str, io.BufferedReader]:
    """Reads ahead only where the first line may open something longer, as a pipe may give a line and then nothing for hours."""
    line, newline, _ = stream.peek().lstrip().partition(b"\n")
    opens = line.startswith((b"[", b"{")) and (not newline or line.rstrip().endswith((b"{", b"[", b",", b"]")))
    if not opens or (line.startswith(b"{") and is_json(line)):
        return "lines", stream
    head, rewound = read_head(stream)
    return json_layout(head), rewound


def _refuse_bytes(head: bytes, name: str) -> None:
    is_wide = any(head.startswith(mark) for mark, _ in BYTE_ORDER_MARKS[1:]) and head.count(0) > WIDE_SHARE * len(head)
    if is_wide or head.startswith(WIDE_BEGINNINGS):
        raise UserError(
            f"nothing of {name} was sent: it is UTF-16 or UTF-32, and events are UTF-8: convert it with iconv"
        )
    if head.startswith(PARQUET_MAGIC) and head[4:5] < b" " and len(head) > 4:
        raise UserError(
            f"nothing of {name} was sent: it is Parquet, not JSON lines: use `heliotrope replay` with a mapping"
        )
    if head.startswith(OTHER_BYTES):
        raise UserError(f"nothing of {name} was sent: it is an archive that is not known here: unpack it first")
