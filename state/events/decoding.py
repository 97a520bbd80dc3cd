"""Decoding a record of any topic that shops write to: JSON in, a value or a `Rejection` with a reason out."""

import re
from typing import TypeVar

import msgspec

from state.events.rejection import Reason, Rejection

T = TypeVar("T")


def decode_or_reject(decoder: msgspec.json.Decoder[T], payload: bytes | None, max_bytes: int) -> T | Rejection:
    """Return the value that the payload holds, or why it holds none: the same fault has the same reason on every topic."""
    if not payload:
        return Rejection(Reason.EMPTY, None, "the message has no bytes")
    if len(payload) > max_bytes:
        return Rejection(Reason.TOO_LARGE, None, f"{len(payload)} bytes, at most {max_bytes} are accepted")
    try:
        return decoder.decode(payload.decode())
    except msgspec.ValidationError as error:
        return _invalid(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(payload, error)


def _invalid(message: str) -> Rejection:
    """The reason behind a message of msgspec, which ends with the field's path."""
    what, _, path = message.partition(" - at `$")
    field = path.rstrip("`").lstrip(".") or None
    if "missing required field" in what:
        missing = what.split("`")[1]
        return Rejection(Reason.MISSING_FIELD, f"{field}.{missing}" if field else missing, what)
    if field is None:
        return Rejection(Reason.NOT_AN_OBJECT, None, what)
    return Rejection(Reason.WRONG_TYPE if ", got `" in what else Reason.INVALID_VALUE, field, what)


def _unreadable(payload: bytes, error: Exception) -> Rejection:
    """Why a decoder of JSON could not read a payload at all."""
    if isinstance(error, UnicodeDecodeError):
        return Rejection(Reason.NOT_UTF8, None, f"byte {error.start} is not UTF-8")
    text = payload.decode(errors="replace")
    half = next((escape[1] for escape in _ESCAPE.finditer(text) if escape[1]), None)
    if half is not None:
        return Rejection(Reason.NOT_UTF8, None, f"{half} is half of a surrogate pair: it stands for no character")
    return Rejection(Reason.NOT_JSON, None, str(error))


_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""An escape of JSON; where it is half of a surrogate pair, that is its group."""
