"""Learning in shards: a shard adds examples, and hands on its sums with what changed of each product."""

import msgspec

from state.product_sums import ProductSums
from state.sums import Example, Sums, landmark_scale

_VERSION = b"\x01"


class ShardUpdate(msgspec.Struct, array_like=True):
    """What a shard publishes: its sums so far (whole), and per product the change since the last time.

    `products` holds a row of `ProductSums` each, 2 + d float64, as of the landmark of `sums`.
    """

    shard: str
    sums: bytes
    products: dict[str, bytes]


class LearnerShard:
    """The sums of one shard, and changes per product that were not handed on yet."""

    def __init__(self, shard: str, sums: Sums, pending: ProductSums | None = None) -> None:
        self.shard = shard
        self.sums = sums
        self.pending = pending or ProductSums(sums.dimension)

    def learn(self, examples: list[Example]) -> None:
        """Adds examples, in any order."""
        for example in examples:
            landmark_ms = self.sums.landmark_ms
            weight = self.sums.add(example)
            self.pending.scale(landmark_scale(landmark_ms, self.sums.landmark_ms, self.sums.half_life_ms))
            if weight:
                self.pending.add(example.product_id, weight, example.count, example.reward, example.features())

    def use_half_life(self, half_life_ms: int | None, now_ms: int) -> None:
        """Goes over to another half-life, where the configuration has changed."""
        if half_life_ms != self.sums.half_life_ms:
            fade = self.sums.fade(now_ms)
            self.sums = self.sums.under(half_life_ms, now_ms)
            self.pending.scale(fade / self.sums.fade(now_ms))

    def take_update(self) -> ShardUpdate:
        """The update to hand on; what it holds of products is no longer pending."""
        return ShardUpdate(self.shard, self.sums.encode(), self.pending.take())

    def encode(self) -> bytes:
        """Versioned bytes for Flink's state."""
        return _VERSION + msgspec.msgpack.encode([self.shard, self.sums.encode(), self.pending.encode()])

    @classmethod
    def decode(cls, data: bytes) -> "LearnerShard":
        """The inverse of `encode`.

        Raises:
            ValueError: the version is unknown.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"a learner shard of version {data[:1]!r} was written by another release")
        shard, sums, pending = msgspec.msgpack.decode(data[1:])
        return cls(shard, Sums.decode(sums), ProductSums.decode(pending))
