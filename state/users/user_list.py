"""Reading a record of the `user_lists` topic: products that another recommender found for a user."""

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from state.events.decoding import decode_or_reject
from state.events.event import Identifier
from state.events.rejection import Reason, Rejection

LIST_LIMIT_BYTES = 65_536
_UserId = Annotated[str, Meta(min_length=1, max_length=256)]


class UserList(NamedTuple):
    """A user's list, best first, each product once; no items where the record removes it."""

    user_id: str
    items: list[str]


class _Value(msgspec.Struct, frozen=True):
    user_id: _UserId
    items: list[Identifier]


_decoder = msgspec.json.Decoder(_Value)


def read_user_list(key: bytes | None, value: bytes | None, most: int) -> UserList | Rejection:
    """Return the list, cut to its first `most` products, or why the record is none.

    The key must be the user's id: else the record with a null that removes a list would not meet the one that made it, neither
    here nor in the topic's compaction.
    """
    try:
        user_id = (key or b"").decode()
    except UnicodeDecodeError as error:
        return Rejection(Reason.NOT_UTF8, "key", f"byte {error.start} is not UTF-8")
    if not 1 <= len(user_id) <= 256:
        return Rejection(Reason.INVALID_VALUE, "key", "the key must be the user_id, 1 to 256 characters")
    if value is None:
        return UserList(user_id, [])
    found = decode_or_reject(_decoder, value, LIST_LIMIT_BYTES)
    if isinstance(found, Rejection):
        return found
    if found.user_id != user_id:
        return Rejection(Reason.KEY_MISMATCH, "user_id", "the record's key must be its user_id")
    return UserList(user_id, list(dict.fromkeys(found.items))[:most])
