"""A profile as Redis holds it, distinguished from whatever else may be there."""

from typing import Any, NamedTuple

import msgspec

MOST_BYTES = 1_048_576
"""Of a value that is looked at; the job's own profiles have a hundredth of it."""


class StoredProfile(NamedTuple):
    """Bytes of a profile with what readers look at; times in ms since the epoch, `read_at_s` by the reader's clock."""

    raw: bytes
    version: int
    updated_at_ms: int
    event_time_ms: int
    items: int
    read_at_s: float


class _Item(msgspec.Struct, gc=False):
    product_id: str


class _Form(msgspec.Struct, gc=False):
    schema: int
    generation: int
    version: int
    session_id: str
    updated_at: int
    event_time: int = 0
    score_data: list[_Item] = []


_decoder = msgspec.json.Decoder(_Form)
_parts = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list_of_parts = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()


def read_stored(raw: bytes, session_id: str, read_at_s: float) -> StoredProfile | None:
    """Return the session's profile; None if the bytes are none, or another session's."""
    if len(raw) > MOST_BYTES or raw[:1] != b"{" or raw[-1:] != b"}":
        return None
    try:
        form = _decoder.decode(raw.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if form.session_id != session_id:
        return None
    return StoredProfile(raw, form.version, form.updated_at, form.event_time, len(form.score_data), read_at_s)


def with_first_items(content: bytes, count: int) -> bytes:
    """Return a profile with its first items only. Their scores stay as they were, so over fewer items they sum to less than 1."""
    parts: dict[str, Any] = dict(_parts.decode(content))
    parts["score_data"] = _list_of_parts.decode(parts["score_data"])[:count]
    return _encoder.encode(parts)
