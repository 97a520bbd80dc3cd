"""The model as it travels: shards' sums merged into a snapshot, and a snapshot made ready to score with."""

import msgspec
import numpy as np

from state.learner import ShardUpdate
from state.sums import Sums, Vector, landmark_scale

_VERSION = b"\x01"
SNAPSHOT_LIMIT_BYTES = 480 * 1024
"""A snapshot stays below the 512 KiB that readers of the topic rely on."""


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """A published model: `model_version` is the time of publication in ms; rates are (product, exposures, reward)."""

    model_version: int
    feature_set: str
    variant: str
    ridge: float
    sums: bytes
    rates: list[tuple[str, float, float]]

    def encode(self) -> bytes:
        """Versioned bytes."""
        return _VERSION + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Snapshot":
        """The inverse of `encode`.

        Raises:
            ValueError: the version is unknown or the bytes are none of ours.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"a model snapshot of version {data[:1]!r} cannot be read by this release")
        try:
            return msgspec.msgpack.decode(data[1:], type=cls)
        except msgspec.DecodeError as error:
            raise ValueError(f"the model snapshot is damaged: {error}") from None


class Merger:
    """The newest sums of each shard, and the rates of at most `max_products` products."""

    def __init__(self, feature_set: str, variant: str, ridge: float, max_products: int) -> None:
        self.feature_set = feature_set
        self.variant = variant
        self.ridge = ridge
        self.max_products = max_products
        self.shards: dict[str, bytes] = {}
        self.rates: dict[str, tuple[float, float]] = {}
        self.landmark_ms = 0

    def absorb(self, update: ShardUpdate) -> None:
        """Takes a shard's update in; a shard's newer sums replace its older ones."""
        sums = Sums.decode(update.sums)
        self.shards[update.shard] = update.sums
        scale = 1.0
        if sums.landmark_ms > self.landmark_ms:
            move = landmark_scale(self.landmark_ms, sums.landmark_ms, sums.half_life_ms)
            self.rates = {product: (move * n, move * r) for product, (n, r) in self.rates.items()}
            self.landmark_ms = sums.landmark_ms
        else:
            scale = landmark_scale(sums.landmark_ms, self.landmark_ms, sums.half_life_ms)
        for product, (count, reward) in update.products.items():
            n, r = self.rates.get(product, (0.0, 0.0))
            self.rates[product] = (n + scale * count, r + scale * reward)
        self._bound()

    def snapshot(self, now_ms: int) -> Snapshot:
        """The merged model; the least shown products are left out where it would be too large."""
        parts = [Sums.decode(data) for data in self.shards.values()]
        merged = Sums(parts[0].dimension, parts[0].half_life_ms, parts[0].landmark_ms)
        for part in parts:
            merged.merge(part)
        rates = sorted(((product, n, r) for product, (n, r) in self.rates.items()), key=lambda rate: -rate[1])
        room = SNAPSHOT_LIMIT_BYTES - 16 * 1024
        kept = 0
        for product, _, _ in rates:
            room -= len(product.encode()) + 24
            if room < 0:
                break
            kept += 1
        return Snapshot(now_ms, self.feature_set, self.variant, self.ridge, merged.encode(), rates[:kept])

    def encode(self) -> bytes:
        """Versioned bytes for Flink's state."""
        return _VERSION + msgspec.msgpack.encode([self.landmark_ms, self.shards, self.rates])

    def restore(self, data: bytes) -> None:
        """Takes over what `encode` wrote.

        Raises:
            ValueError: the version is unknown.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"merged statistics of version {data[:1]!r} were written by another release")
        self.landmark_ms, self.shards, rates = msgspec.msgpack.decode(data[1:])
        self.rates = {product: (pair[0], pair[1]) for product, pair in rates.items()}

    def _bound(self) -> None:
        if len(self.rates) > self.max_products * 5 // 4:
            kept = sorted(self.rates.items(), key=lambda item: -item[1][0])[: self.max_products]
            self.rates = dict(kept)


class Predictor:
    """A snapshot ready to score with: coefficients θ (d), the overall rate, and the products' own counts."""

    def __init__(self, snapshot: Snapshot) -> None:
        sums = Sums.decode(snapshot.sums)
        self.model_version = snapshot.model_version
        self.theta: Vector = sums.coefficients(snapshot.ridge, snapshot.model_version)
        self.rates = snapshot.rates
        self.examination: list[float] = sums.examination().tolist()
        self.mean_reward = float(np.clip(sums.totals[1] / sums.weight, 0.001, 1.0)) if sums.weight > 0 else 0.05
