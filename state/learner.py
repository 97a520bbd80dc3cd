"""Learning in shards: a shard adds examples, and hands on its sums with what changed of each product."""

import msgspec

from state.sums import Example, Sums, landmark_scale

_VERSION = b"\x01"


class ShardUpdate(msgspec.Struct, array_like=True):
    """What a shard publishes: its sums so far (whole), and per product the change of (exposures, reward) since the last time."""

    shard: str
    sums: bytes
    products: dict[str, tuple[float, float]]


class LearnerShard:
    """The sums of one shard, and changes per product that were not handed on yet."""

    def __init__(self, shard: str, sums: Sums, pending: dict[str, tuple[float, float]] | None = None) -> None:
        self.shard = shard
        self.sums = sums
        self.pending = pending or {}

    def learn(self, examples: list[Example]) -> None:
        """Adds examples, in any order."""
        for example in examples:
            landmark_ms = self.sums.landmark_ms
            weight = self.sums.add(example)
            if self.sums.landmark_ms != landmark_ms:
                self._rescale_pending(landmark_ms)
            if weight:
                count, reward = self.pending.get(example.product_id, (0.0, 0.0))
                self.pending[example.product_id] = (count + weight * example.count, reward + weight * example.reward)

    def take_update(self) -> ShardUpdate:
        """The update to hand on; what it holds of products is no longer pending."""
        update = ShardUpdate(self.shard, self.sums.encode(), self.pending)
        self.pending = {}
        return update

    def encode(self) -> bytes:
        """Versioned bytes for Flink's state."""
        return _VERSION + msgspec.msgpack.encode([self.shard, self.sums.encode(), self.pending])

    @classmethod
    def decode(cls, data: bytes) -> "LearnerShard":
        """The inverse of `encode`.

        Raises:
            ValueError: the version is unknown.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"a learner shard of version {data[:1]!r} was written by another release")
        shard, sums, pending = msgspec.msgpack.decode(data[1:])
        return cls(shard, Sums.decode(sums), {product: (pair[0], pair[1]) for product, pair in pending.items()})

    def _rescale_pending(self, old_landmark_ms: int) -> None:
        scale = landmark_scale(old_landmark_ms, self.sums.landmark_ms, self.sums.half_life_ms)
        self.pending = {product: (scale * n, scale * r) for product, (n, r) in self.pending.items()}
