"""The forms of a session's state value that were ever released, by their first byte."""

from collections.abc import Callable

from state.codec import unpack_form
from state.session.record import FORM, unpack_record
from state.session.session import VERSION, Session, unpack_session

_FORMS: dict[bytes, Callable[[bytes], Session]] = {VERSION: unpack_session, FORM: unpack_record}
"""A new form gets the next byte, keeps the reader of the old one here with its conversion, and a golden file of its own:
docs/upgrades.md."""


def decode_session(data: bytes) -> Session:
    """Return the session of a state value of any form.

    Raises:
        UnreadableError: the version is unknown, or the bytes are damaged.
    """
    return unpack_form(data, _FORMS, "a session")
