"""What a session is told of its user: long-lived affinities from all sessions, and the list that another recommender made."""

from math import isfinite

import msgspec

from state.codec import unpack

_VERSION = b"\x01"


class Hint(msgspec.Struct, array_like=True, frozen=True):
    """Knowledge of a user at the time at which a session met them.

    `user` is the hash that it holds for; `seen_ms` the user's newest event before that, 0 for none, in ms since the epoch. `total`
    is the decayed weight of all the user's events, `products` and `categories` the largest affinities, in the same unit, largest
    first. `items` is the user's list, best first; nothing says that its products can be shown.
    """

    user: str
    seen_ms: int = 0
    total: float = 0.0
    products: dict[str, float] = {}
    categories: dict[str, float] = {}
    items: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known, or nothing any more: the user was erased."""
        return not (self.products or self.categories or self.items)

    @property
    def is_finite(self) -> bool:
        """Whether all numbers are some: one that is not would spoil the session's list."""
        return all(map(isfinite, (self.total, *self.products.values(), *self.categories.values())))

    def encode(self) -> bytes:
        """Return versioned bytes for the topic and for the session's state."""
        return _VERSION + _encoder.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Hint":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        return unpack(data, (_VERSION,), _decoder, "a hint")


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Hint)
