"""The model as it travels: shards' sums merged into a snapshot, and a snapshot made ready to score with."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.feature_set import CATEGORY_SHARE, own_rate_columns
from state.learner import ShardUpdate
from state.posterior import Posterior
from state.product_sums import FIXED, ProductSums
from state.sums import Sums, landmark_scale

_VERSION = b"\x01"
SNAPSHOT_LIMIT_BYTES = 480 * 1024
"""A snapshot stays below the 512 KiB that readers of the topic rely on."""
_BYTES_PER_PRODUCT = 5 + 16 + 8
"""Of a product in a snapshot, beside its id: the id's length, counts and residuals."""


class Snapshot(msgspec.Struct, array_like=True, frozen=True):
    """A published model: `model_version` is the time of publication in ms.

    Per product, weighted as of `model_version`: `counts`, two float64, are exposures n and reward R; `residuals`, two float32,
    are R less what the snapshot's θ predicts of those exposures, but for the features of the product's own rate, and their
    summed category shares, with which whoever knows the product's present rate can take off the rest.
    """

    model_version: int
    feature_set: str
    variant: str
    ridge: float
    sums: bytes
    product_ids: list[str]
    counts: bytes
    residuals: bytes

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
    """The newest sums of each shard, and the sums of at most `max_products` products."""

    def __init__(self, feature_set: str, variant: str, ridge: float, max_products: int) -> None:
        self.feature_set = feature_set
        self.variant = variant
        self.ridge = ridge
        self.max_products = max_products
        self.shards: dict[str, bytes] = {}
        self.products: ProductSums | None = None
        self.landmark_ms = 0

    def absorb(self, update: ShardUpdate) -> None:
        """Takes a shard's update in; a shard's newer sums replace its older ones."""
        sums = Sums.decode(update.sums)
        self.shards[update.shard] = update.sums
        if self.products is None:
            self.products = ProductSums(sums.dimension)
        landmark_ms = max(self.landmark_ms, sums.landmark_ms)
        self.products.scale(landmark_scale(self.landmark_ms, landmark_ms, sums.half_life_ms))
        self.landmark_ms = landmark_ms
        self.products.merge(update.products, landmark_scale(sums.landmark_ms, landmark_ms, sums.half_life_ms))
        if len(self.products) > self.max_products * 5 // 4:
            self.products.keep(self.products.most_shown()[: self.max_products].tolist())

    def snapshot(self, now_ms: int) -> Snapshot:
        """The merged model; the least shown products are left out where it would be too large."""
        parts = [Sums.decode(data) for data in self.shards.values()]
        merged = Sums(parts[0].dimension, parts[0].half_life_ms, self.landmark_ms)
        for part in parts:
            merged.merge(part)
        products = self.products or ProductSums(merged.dimension)
        room = SNAPSHOT_LIMIT_BYTES - 16 * 1024
        kept: list[int] = []
        for row in products.most_shown().tolist():
            room -= len(products.product_ids[row].encode()) + _BYTES_PER_PRODUCT
            if room < 0:
                break
            kept.append(row)
        table = merged.fade(now_ms) * products.table[kept]
        theta = merged.coefficients(self.ridge, now_ms)
        own = own_rate_columns(self.feature_set)
        theta[own] = 0
        unexplained = table[:, 1] - table[:, FIXED:] @ theta
        share = table[:, FIXED + CATEGORY_SHARE] if own else np.zeros(len(table))
        ids = [products.product_ids[row] for row in kept]
        counts = table[:, :FIXED].astype("<f8").tobytes()
        residuals = np.column_stack([unexplained, share]).astype("<f4").tobytes()
        return Snapshot(now_ms, self.feature_set, self.variant, self.ridge, merged.encode(), ids, counts, residuals)

    def encode(self) -> bytes:
        """Versioned bytes for Flink's state."""
        products = None if self.products is None else self.products.encode()
        return _VERSION + msgspec.msgpack.encode([self.landmark_ms, self.shards, products])

    def restore(self, data: bytes) -> None:
        """Takes over what `encode` wrote.

        Raises:
            ValueError: the version is unknown.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"merged statistics of version {data[:1]!r} were written by another release")
        self.landmark_ms, self.shards, products = msgspec.msgpack.decode(data[1:])
        self.products = None if products is None else ProductSums.decode(products)


class Predictor:
    """A snapshot ready to score with.

    Attributes:
        theta: (d,) coefficients; `own_rate` (3,) those of the features of the product's own rate.
        statistics: (products, 4) by `product_ids`: the snapshot's counts and residuals.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.model_version = snapshot.model_version
        sums = Sums.decode(snapshot.sums)
        self.posterior = Posterior.of(sums, snapshot.ridge, snapshot.model_version)
        self.examination: list[float] = sums.examination().tolist()
        self.theta = self.posterior.theta
        own = own_rate_columns(snapshot.feature_set)
        self.own_rate = self.theta[own] if own else np.zeros(3)
        self.product_ids = snapshot.product_ids
        counts = np.frombuffer(snapshot.counts, dtype="<f8").reshape(-1, 2)
        residuals = np.frombuffer(snapshot.residuals, dtype="<f4").reshape(-1, 2)
        self.statistics: NDArray[np.float64] = np.column_stack([counts, residuals])
