"""Learning in shards: a shard adds examples, and hands on its sums with what changed of each product."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from state.codec import damaged, unpack
from state.configuration import Bandit
from state.decay import landmark_scale
from state.model.cells import cell_of, is_product, is_sound, passed_of
from state.model.drift import DriftState, DriftWatches, shortened
from state.model.product_sums import ProductSums
from state.model.river.learner import RiverLearner, create, made_from
from state.model.sums import Example, Learned, Sums

_VERSION = b"\x02"
RIVER_LIMIT_BYTES = 256 * 1024
"""A river model that has grown larger stays as it was when it last fitted into a snapshot."""


class ShardUpdate(msgspec.Struct, array_like=True):
    """Update that a shard publishes: its sums so far (whole), and per product the change since the last time.

    `products` holds a row of `ProductSums` each, as float64, as of the landmark of `sums`, cells included. `river` is a river
    model where one learns, empty where there is none or where it has outgrown the snapshot. `watched` says what is known of
    drift, in the shard that watches.
    """

    shard: str
    sums: bytes
    products: dict[str, bytes]
    river: bytes = b""
    watched: list[DriftState] = []


class LearnerShard:
    """The sums of one shard, and changes per product that were not handed on yet; a river model where one is configured.

    `drift` watches the rewards of variants for drift, and `configured_ms` is the half-life that the configuration asked for last:
    where drift shortens it, the sums' own is another. `has_cells` says that products are counted by region as well.
    """

    def __init__(
        self, shard: str, sums: Sums, pending: ProductSums | None = None, river: RiverLearner | None = None
    ) -> None:
        self.shard = shard
        self.sums = sums
        self.pending = ProductSums(sums.dimension) if pending is None else pending
        self.river = river
        self.drift = DriftWatches()
        self.configured_ms = sums.half_life_ms
        self.has_cells = False

    @classmethod
    def open(
        cls, shard: str, data: bytes | None, pending: Mapping[str, bytes], dimension: int, bandit: Bandit, now_ms: int
    ) -> "LearnerShard":
        """Return the shard as it was stored, None for a new one, with the half-life and the river model that are configured now.

        `pending` are rows that were stored next to it.
        """
        disjoint = bandit.form == "disjoint"
        if data is None:
            opened = cls(shard, Sums(dimension, bandit.half_life_ms), ProductSums(dimension, disjoint))
        else:
            opened = cls.decode(data)
        opened.pending.merge(pending, 1.0)
        opened.has_cells = bandit.groups > 0 and not disjoint
        if bandit.drift != "shorten" or opened.configured_ms != bandit.half_life_ms:
            opened.use_half_life(bandit.half_life_ms, now_ms)
            opened.configured_ms = bandit.half_life_ms
        if bandit.policy != "river":
            opened.river = None
        elif opened.river is None or opened.river.made_from != made_from(bandit.river, bandit.river_parameters):
            opened.river = create(bandit.river, bandit.river_parameters)
        return opened

    def learn(self, examples: Sequence[Example]) -> None:
        """Add examples, in any order."""
        landmark_ms = self.sums.landmark_ms
        taken = self.sums.add(examples)
        self.pending.scale(landmark_scale(landmark_ms, self.sums.landmark_ms, self.sums.half_life_ms))
        names = {at: example.product_id for at, example in enumerate(taken.examples) if is_product(example.product_id)}
        self._count(names, taken)
        if self.has_cells:
            cells = {at: cell_of(taken.examples[at].region, name) for at, name in names.items()}
            self._count({at: cell for at, cell in cells.items() if is_sound(cell)}, taken)
        if self.river is not None:
            for example in taken.examples:
                self.river.learn(example)

    def _count(self, names: Mapping[int, str], taken: Learned) -> None:
        """Adds examples, by their number, to the rows of those names, and what of them was passed over to rows next to those."""
        if not names:
            return
        at = list(names)
        self.pending.add(list(names.values()), taken.numbers[at], taken.x[at])
        passed = [place for place in at if taken.passed[place]]
        if passed and not self.pending.is_disjoint:
            numbers = np.zeros((len(passed), taken.numbers.shape[1]))
            numbers[:, 0] = taken.passed[passed]
            self.pending.add([passed_of(names[place]) for place in passed], numbers, taken.x[passed])

    def observe(self, bandit: Bandit, now_ms: int) -> int:
        """Watch the rewards that wait, and forget faster from now on where they fell and the configuration says so.

        Returns the number of drifts.
        """
        drifts, falls = self.drift.observe(bandit.drift_delta, now_ms) if self.drift.waiting else (0, 0)
        if falls and bandit.drift == "shorten":
            self.use_half_life(shortened(bandit, self.sums.half_life_ms), now_ms)
        return drifts

    def use_half_life(self, half_life_ms: int | None, now_ms: int) -> None:
        """Go over to another half-life: the configuration or the world has changed."""
        if half_life_ms != self.sums.half_life_ms:
            moved = self.sums.under(half_life_ms, now_ms)
            self.pending.scale(2.0 ** (moved.half_lives_to(now_ms) - self.sums.half_lives_to(now_ms)))
            self.sums = moved

    def drain_update(self) -> ShardUpdate:
        """Return the update to hand on; what it holds of products is no longer pending."""
        river = self._river_bytes()
        return ShardUpdate(
            self.shard,
            self.sums.encode(),
            self.pending.drain(),
            river if len(river) <= RIVER_LIMIT_BYTES else b"",
            list(self.drift.watched.values()),
        )

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state."""
        parts = [self.shard, self.sums.encode(), self.pending.encode(), self._river_bytes()]
        return _VERSION + msgspec.msgpack.encode([*parts, self.configured_ms, self.drift.encode()])

    @classmethod
    def decode(cls, data: bytes) -> "LearnerShard":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        stored = unpack(data, (b"\x01", _VERSION), _stored, "a learner shard")
        learner = RiverLearner.decode(stored.river) if stored.river else None
        sums, pending = Sums.decode(stored.sums), ProductSums.decode(stored.pending)
        if pending.dimension != sums.dimension:
            raise damaged("a learner shard", f"its products have {pending.dimension} features, not {sums.dimension}")
        decoded = cls(stored.shard, sums, pending, learner)
        if stored.drift:
            decoded.configured_ms, decoded.drift = stored.configured_ms, DriftWatches.decode(stored.drift)
        return decoded

    def _river_bytes(self) -> bytes:
        return b"" if self.river is None else self.river.encode()


class _Stored(msgspec.Struct, array_like=True):
    """`LearnerShard` in bytes; version 1 had neither a configured half-life nor watches."""

    shard: str
    sums: bytes
    pending: bytes
    river: bytes
    configured_ms: int | None = None
    drift: bytes = b""


_stored = msgspec.msgpack.Decoder(_Stored)
