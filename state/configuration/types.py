"""Types of values, their bounds, and the base of all sections."""

from typing import Annotated

import msgspec
from msgspec import Meta

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


def key_of(attribute: str) -> str:
    """Return the configuration key of a struct's attribute: the name without its unit."""
    return attribute.removesuffix("_ms")


Millis = Annotated[int, Meta(ge=0, le=10 * 365 * 24 * HOUR_MS)]
PositiveMillis = Annotated[int, Meta(ge=1, le=10 * 365 * 24 * HOUR_MS)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
OpenFraction = Annotated[float, Meta(gt=0, lt=1)]
NonNegative = Annotated[float, Meta(ge=0, le=1e9)]
Positive = Annotated[float, Meta(gt=0, le=1e9)]
Name = Annotated[str, Meta(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Port = Annotated[int, Meta(ge=0, le=65535)]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename=key_of, kw_only=True):
    """Base of all sections: immutable, no unknown keys, keys without units."""
