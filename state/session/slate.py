"""A published slate: what was chosen, with what it takes to log, learn and publish it again."""

import msgspec
import numpy as np
from numpy.typing import NDArray


class FullChoice(msgspec.Struct, array_like=True):
    """Candidates of a decision, all of them: ids, features (n × d float16 bytes) and the probability of each to stand first."""

    product_ids: list[str]
    features: bytes
    propensity: list[float]

    def feature_rows(self) -> list[bytes]:
        """Return the features of each candidate, d float16."""
        return _rows(self.features, len(self.product_ids))


class Slate(msgspec.Struct, array_like=True):
    """k items in order; `features` is k × d float16 bytes. `seen` has a bit for each position that counted as seen.

    `implicit` says that positions were taken as seen without an impression, `logged` that the decision is in the log. `pinned` says
    of each item whether a rule put it there; it is empty where none did, as in every slate from before there were pins.
    `sources` holds a byte for each item, the number of the source that it came from.
    `arms` holds a byte for each item where the list followed the shop's own order in part, see `state/policy/interleaved.py`.
    `next_seq` numbers an exposure's first outcome: higher than those of an exposure of the same item that was taken back.
    """

    decision_id: str
    published_at_ms: int
    profile_version: int
    model_version: int
    policy: str
    variant: str
    feature_set: str
    cause: bytes
    product_ids: list[str]
    category_ids: list[str]
    propensity: list[float]
    explored: list[bool]
    features: bytes
    full: FullChoice | None = None
    seen: int = 0
    implicit: bool = False
    logged: bool = False
    pinned: list[bool] = []
    next_seq: int = 0
    sources: bytes = b""
    arms: bytes = b""

    def is_pinned(self, position: int) -> bool:
        """Return whether a rule put the item there."""
        return bool(self.pinned) and self.pinned[position]

    def matrix(self) -> NDArray[np.float16]:
        """Return features (k, d)."""
        return np.frombuffer(self.features, dtype=np.float16).reshape(len(self.product_ids), -1)

    def feature_rows(self) -> list[bytes]:
        """Return the features of each item, d float16."""
        return _rows(self.features, len(self.product_ids))

    def feature_bytes(self, position: int) -> bytes:
        """Return the features of one item, d float16."""
        width = _width(self.features, len(self.product_ids))
        return self.features[position * width : (position + 1) * width]


def _rows(features: bytes, count: int) -> list[bytes]:
    width = _width(features, count)
    return [features[at * width : (at + 1) * width] for at in range(count)]


def _width(features: bytes, count: int) -> int:
    """Bytes of one of `count` rows of float16; there may be none."""
    return 2 * (len(features) // 2 // max(1, count))
