"""Reading bytes: a version byte, and one error for all that can be wrong with what follows it.

    UnreadableError (ValueError)
    ├── the version is not one that this release knows
    └── the bytes are damaged, or what they hold cannot be what they claim to be

A reader of bytes raises nothing else, whatever it was given, so that whoever reads what came from outside has one thing to catch.
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pickle import PickleError
from typing import Any, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

READ_FAILURES = (
    ValueError,  # of which are msgspec's errors, those of UTF-8 and numpy's of linear algebra
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    struct.error,
    PickleError,  # of river's compiled classes, which are made of their own parts
    SyntaxError,  # of numpy, where the name of a type is none
)
"""What code that takes bytes apart may raise where they are not what it expects."""


class UnreadableError(ValueError):
    """Bytes that this release cannot read. Read them with the release that wrote them, or leave them out: what was known stays."""


class Decoder(Protocol[T_co]):
    """Decoder of msgspec."""

    def decode(self, data: Any, /) -> T_co:
        """Raise whatever it likes."""


def unpack(data: bytes, versions: tuple[bytes, ...], decoder: Decoder[T], what: str) -> T:
    """Read what stands behind the version byte; `what` names it in the error.

    Raises:
        UnreadableError: the version is none of these, or the rest cannot be decoded.
    """
    if data[:1] not in versions:
        raise unknown_version(what, data[:1])
    try:
        return decoder.decode(data[1:])
    except READ_FAILURES as error:
        raise damaged(what, error) from None


def unpack_form(data: bytes, forms: Mapping[bytes, Callable[[bytes], T]], what: str) -> T:
    """Read what stands behind the version byte, read by the function for that version: older forms are converted as they are read.

    Raises:
        UnreadableError: the version is none of these, or the rest cannot be decoded.
    """
    read = forms.get(data[:1])
    if read is None:
        raise unknown_version(what, data[:1])
    try:
        return read(data[1:])
    except READ_FAILURES as error:
        raise damaged(what, error) from None


def unknown_version(what: str, version: bytes) -> UnreadableError:
    """Return the error for a version byte of another release, or of no release."""
    return UnreadableError(
        f"{what} of version {version!r} was written by another release: use the release that wrote it"
    )


def damaged(what: str, error: BaseException | str) -> UnreadableError:
    """Return the error for bytes that are not what they claim to be."""
    reason = error if isinstance(error, str) else str(error) or type(error).__name__
    return UnreadableError(f"{what} is damaged: {reason}")


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Make one error of all that taking `what` apart may raise."""
    try:
        yield
    except UnreadableError:
        raise
    except READ_FAILURES as error:
        raise damaged(what, error) from None
