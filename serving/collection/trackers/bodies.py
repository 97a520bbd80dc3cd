"""The bodies that libraries of other trackers send: JSON, lines of it, base64, a form's `data`, gzip without saying so."""

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs

import msgspec

from serving.collection.body import JSON_TYPES, gunzip
from serving.problems import Refusal

TYPES = JSON_TYPES | {"application/x-www-form-urlencoded", "application/x-ndjson"}
GZIP_MAGIC = b"\x1f\x8b"
MOST_FIELDS = 32
_decoder = msgspec.json.Decoder()


def decode_body(content: bytes, media: str) -> Any:
    """Return the tree of a body.

    Raises:
        Refusal: 400, it is none of these forms; 413, it holds too much.
    """
    if content.startswith(GZIP_MAGIC):
        content = gunzip(content)
    if media == "application/x-www-form-urlencoded" or content.startswith(b"data="):
        content = _data_of(content)
    try:
        if media == "application/x-ndjson":
            return _decoder.decode_lines(content)
        return _decoder.decode(content if content.lstrip()[:1] in (b"{", b"[") else _from_base64(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, f"the body is not JSON: {error}", reason="not_json") from None


def _data_of(content: bytes) -> bytes:
    try:
        fields = parse_qs(content.decode(), max_num_fields=MOST_FIELDS)
    except (ValueError, UnicodeDecodeError):
        raise Refusal(400, "the body is no form", reason="not_json") from None
    if "data" not in fields:
        raise Refusal(400, "the form has no field `data`", reason="missing_field", field="data")
    return fields["data"][0].encode("utf-8", "replace")


def _from_base64(content: bytes) -> bytes:
    """A `+` of base64 has become a blank if a form was not encoded."""
    try:
        return base64.b64decode(content.strip().replace(b" ", b"+"), validate=True)
    except (binascii.Error, ValueError):
        return content
