"""Shards' sums merged into the published model, on a base that may come from an earlier job, an import or a rollback."""

import hashlib
from collections.abc import Set

import msgspec
import numpy as np

from state.configuration import Settings
from state.disjoint import arm_width
from state.feature_set import CATEGORY_SHARE, DIMENSION, FEATURE_SET, own_rate_columns
from state.learner import ShardUpdate
from state.model import Snapshot
from state.product_sums import FIXED, ProductSums
from state.river.learner import made_from
from state.sums import Sums, Vector, landmark_scale

_VERSION = b"\x01"
SNAPSHOT_LIMIT_BYTES = 480 * 1024
"""A snapshot stays below the 512 KiB that readers of the topic rely on."""
PRODUCTS_LIMIT_BYTES = SNAPSHOT_LIMIT_BYTES - 16 * 1024
"""What products may take of it."""
_BYTES_PER_PRODUCT = 5 + 16 + 8
"""Of a product in a snapshot, beside its id: the id's length, counts and residuals."""
BIAS = 0


class IncompatibleModelError(ValueError):
    """A model's numbers mean something else than this job's. Start without it, or with the settings that it was learned under."""


class Terms(msgspec.Struct, frozen=True):
    """Under which terms a model learns; what must agree for statistics to be shared.

    `variant` is the name of the first of the variants that share them, and so that of the statistics; `river` tells which model of
    the river library learns beside them, and `shards` in how many shards they are learned.
    """

    feature_set: str
    variant: str
    ridge: float
    half_life_ms: int | None
    learned_from: str
    max_products: int
    dimension: int = DIMENSION
    form: str = "shared"
    river: str = ""
    shards: int = 1

    @property
    def key(self) -> str:
        """Names the statistics: those of other features, rewards, exposures or another form are kept apart from these."""
        meaning = f"{self.feature_set} {self.learned_from}" + ("" if self.form == "shared" else f" {self.form}")
        digest = hashlib.sha256(meaning.encode()).hexdigest()[:8]
        return f"{self.variant}@{digest}"


def terms_of(settings: Settings) -> Terms:
    """The terms of this configuration; `learned_from` is a digest of what a reward and an exposure mean."""
    meaning = [settings.reward, settings.exposure.model]
    digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()[:16]
    bandit = settings.bandit
    most = bandit.disjoint_products if bandit.form == "disjoint" else bandit.max_products
    is_river = bandit.policy == "river"  # its models depend on the order of examples, so one shard has them all
    return Terms(
        FEATURE_SET,
        bandit.variant,
        bandit.ridge,
        bandit.half_life_ms,
        digest,
        max_products=most,
        form=bandit.form,
        river=made_from(bandit.river, bandit.river_parameters) if is_river else "",
        shards=1 if is_river else bandit.shards,
    )


def refuse_incompatible(snapshot: Snapshot, terms: Terms) -> None:
    """Raises IncompatibleModelError where a snapshot's statistics must not be mixed with those learned under `terms`."""
    for name, theirs, ours in (
        ("feature set", snapshot.feature_set, terms.feature_set),
        ("variant", snapshot.variant, terms.variant),
        ("form (bandit.form)", snapshot.form, terms.form),
        ("meaning of rewards and exposures (reward.*, exposure.model)", snapshot.learned_from, terms.learned_from),
    ):
        if theirs != ours:
            raise IncompatibleModelError(
                f"model {snapshot.model_version}: its {name} is {theirs!r}, this job's is {ours!r}"
            )


class Merger:
    """The model is base + Σ over shards (newest sums - sums when the base was taken), all as of `landmark_ms`.

    A river model is the one shard's own and has no base: neither an earlier job's nor a rollback changes it. In the disjoint form
    the first `max_products` products have a model; `beyond` counts updates of others, which are left to the prior.
    """

    def __init__(self, terms: Terms, lineage: str, began_ms: int) -> None:
        self.terms = terms
        self.lineage = lineage
        self.began_ms = began_ms
        self.shards: dict[str, bytes] = {}
        self.marks: dict[str, bytes] = {}
        self.base: Snapshot | None = None
        self.base_taken_ms = 0
        self.products = ProductSums(terms.dimension, terms.form == "disjoint")
        self.landmark_ms = 0
        self.river = b""
        self.beyond = 0

    def absorb(self, update: ShardUpdate, now_ms: int) -> bool:
        """Takes a shard's update in; a shard's newer sums replace its older ones.

        Returns whether rows of other products than the update's changed.
        """
        landmark_ms, width = self.landmark_ms, len(self.products)
        sums = Sums.decode(update.sums).under(self.terms.half_life_ms, now_ms)
        self.shards[update.shard] = sums.encode()
        self.river = update.river or self.river
        self._move_to(max(self.landmark_ms, sums.landmark_ms))
        scale = landmark_scale(sums.landmark_ms, self.landmark_ms, self.terms.half_life_ms)
        self.products.merge(self._admitted(update.products), scale)
        if len(self.products) > self.terms.max_products * 5 // 4:
            self.products.keep(self.products.most_shown()[: self.terms.max_products].tolist())
        return self.landmark_ms != landmark_ms or len(self.products) < width

    def is_of_earlier_job(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot of the topic was published by another learner before this one began."""
        return snapshot.lineage != self.lineage and snapshot.model_version < self.began_ms

    def take_over(self, snapshot: Snapshot, now_ms: int) -> None:
        """Adds a snapshot of an earlier job to what the shards have learned, in place of an older such base.

        Raises:
            IncompatibleModelError: its statistics are not of these terms.
        """
        refuse_incompatible(snapshot, self.terms)
        if self.base is not None:
            self._add_products_of_base(-1)
        self._set_base(snapshot, now_ms)

    def start_from(self, snapshot: Snapshot, now_ms: int) -> None:
        """Puts a snapshot in place of all that was learned until now; what the shards learn from now on is added.

        Raises:
            IncompatibleModelError: its statistics are not of these terms.
        """
        refuse_incompatible(snapshot, self.terms)
        self.marks = dict(self.shards)
        self.products = ProductSums(self.terms.dimension, self.products.is_disjoint)
        self._set_base(snapshot, now_ms)

    def is_empty(self) -> bool:
        """Whether there is nothing to publish."""
        return self.base is None and not self.shards

    def sums(self) -> Sums:
        """The merged statistics."""
        merged = Sums(self.terms.dimension, self.terms.half_life_ms, self.landmark_ms)
        if self.base is not None:
            merged.merge(self._base_sums())
        for shard, data in self.shards.items():
            merged.merge(Sums.decode(data))
            if shard in self.marks:
                merged.merge(Sums.decode(self.marks[shard]), sign=-1)
        return merged

    def learned(self, now_ms: int) -> float:
        """The weighted count of exposures that the model knows as of `now_ms`."""
        merged = self.sums()
        return merged.weight * merged.fade(now_ms)

    def snapshot(self, now_ms: int, only: Set[str] | None = None) -> Snapshot:
        """The merged model, with the rows of all products or `only` those.

        The least shown are left out where it would be too large.
        """
        merged, products, terms = self.sums(), self.products, self.terms
        kept = _rows_within(products, PRODUCTS_LIMIT_BYTES - len(self.river), only)
        fade = merged.fade(now_ms)
        table = fade * products.table[kept]
        theta = merged.coefficients(terms.ridge, now_ms)
        own = own_rate_columns(terms.feature_set)
        theta[own] = 0
        unexplained = table[:, 1] - table[:, FIXED:] @ theta
        share = table[:, FIXED + CATEGORY_SHARE] if own else np.zeros(len(table))
        return Snapshot(
            model_version=now_ms,
            feature_set=terms.feature_set,
            variant=terms.variant,
            ridge=terms.ridge,
            sums=merged.encode(),
            product_ids=[products.product_ids[row] for row in kept],
            counts=table[:, :FIXED].astype("<f8").tobytes(),
            residuals=np.column_stack([unexplained, share]).astype("<f4").tobytes(),
            lineage=self.lineage,
            learned_from=terms.learned_from,
            river=self.river,
            form=terms.form,
            arms=(fade * products.arms[kept]).astype("<f8").tobytes(),
        )

    def encode(self) -> bytes:
        """Versioned bytes for Flink's state: all but `products`, which change one by one, and `base`, which hardly ever does."""
        parts = [self.lineage, self.began_ms, self.landmark_ms, self.shards, self.marks, self.base_taken_ms, self.river]
        return _VERSION + msgspec.msgpack.encode(parts)

    @classmethod
    def decode(cls, data: bytes, terms: Terms) -> "Merger":
        """The inverse of `encode`; `products` and `base` are the caller's to fill in.

        Raises:
            ValueError: the version is unknown.
        """
        if data[:1] != _VERSION:
            raise ValueError(f"merged statistics of version {data[:1]!r} were written by another release")
        lineage, began_ms, landmark_ms, shards, marks, taken_ms, river = msgspec.msgpack.decode(data[1:])
        merger = cls(terms, lineage, began_ms)
        merger.landmark_ms, merger.shards, merger.marks = landmark_ms, shards, marks
        merger.base_taken_ms, merger.river = taken_ms, river
        return merger

    def _set_base(self, snapshot: Snapshot, now_ms: int) -> None:
        self.base, self.base_taken_ms = snapshot, now_ms
        self._move_to(max(self.landmark_ms, self._base_sums().landmark_ms))
        self._add_products_of_base(1)

    def _base_sums(self) -> Sums:
        assert self.base is not None
        return Sums.decode(self.base.sums).under(self.terms.half_life_ms, self.base_taken_ms)

    def _admitted(self, rows: dict[str, bytes]) -> dict[str, bytes]:
        """Of an update's rows, those of products that are held, or for whose model there is room."""
        if not self.products.is_disjoint:
            return rows
        room = self.terms.max_products - len(self.products)
        admitted: dict[str, bytes] = {}
        for product, row in rows.items():
            known = product in self.products
            if known or room > 0:
                admitted[product] = row
                room -= not known
        self.beyond += len(rows) - len(admitted)
        return admitted

    def _add_products_of_base(self, sign: int) -> None:
        assert self.base is not None
        original, moved = Sums.decode(self.base.sums), self._base_sums()
        rows = product_rows(self.base, original)
        scale = sign * landmark_scale(moved.landmark_ms, self.landmark_ms, self.terms.half_life_ms)
        scale *= original.fade(self.base_taken_ms) / moved.fade(self.base_taken_ms)
        self.products.merge(rows.rows(rows.product_ids), scale)

    def _move_to(self, landmark_ms: int) -> None:
        self.products.scale(landmark_scale(self.landmark_ms, landmark_ms, self.terms.half_life_ms))
        self.landmark_ms = landmark_ms


def _rows_within(products: ProductSums, room: int, only: Set[str] | None) -> list[int]:
    """The rows of the most shown products, all or `only` those, that take at most `room` bytes in a snapshot."""
    kept: list[int] = []
    width = _BYTES_PER_PRODUCT + 8 * products.arms.shape[1]
    for row in products.most_shown().tolist():
        if only is not None and products.product_ids[row] not in only:
            continue
        room -= len(products.product_ids[row].encode()) + width
        if room < 0:
            break
        kept.append(row)
    return kept


def product_rows(snapshot: Snapshot, sums: Sums) -> ProductSums:
    """The products' sums behind a snapshot, as of the landmark of its own `sums`.

    Exposures and rewards are the snapshot's. The summed features do not travel with it: they are taken as the mean exposure's,
    moved along θ so far that they explain of the reward what the snapshot says was explained. In the disjoint form they are in
    each product's own A, in the row of the bias.
    """
    counts = np.frombuffer(snapshot.counts, dtype="<f8").reshape(-1, FIXED)
    if snapshot.form == "disjoint":
        d = sums.dimension
        arms = np.frombuffer(snapshot.arms, dtype="<f8").reshape(-1, arm_width(d))
        return _as_rows(snapshot, sums, np.column_stack([counts, arms[:, 1 + d : 1 + 2 * d], arms]))
    unexplained, share = np.frombuffer(snapshot.residuals, dtype="<f4").reshape(-1, 2).astype(np.float64).T
    theta = sums.coefficients(snapshot.ridge, snapshot.model_version)
    theta[own_rate_columns(snapshot.feature_set)] = 0
    seen = sums.a[BIAS, BIAS]
    x = np.outer(counts[:, 0], sums.a[BIAS] / seen if seen > 0 else np.zeros(len(theta)))
    x[:, CATEGORY_SHARE] = share
    along = theta.copy()
    along[CATEGORY_SHARE] = 0
    length = float(along @ along)
    if length > 0:
        x += np.outer((counts[:, 1] - unexplained - x @ theta) / length, along)
    return _as_rows(snapshot, sums, np.column_stack([counts, x]))


def _as_rows(snapshot: Snapshot, sums: Sums, table: Vector) -> ProductSums:
    """Numbers (products, width) as of the snapshot's time as rows as of the landmark of `sums`."""
    rows = (table / sums.fade(snapshot.model_version)).astype("<f8")
    products = ProductSums(sums.dimension, snapshot.form == "disjoint")
    products.merge({p: row.tobytes() for p, row in zip(snapshot.product_ids, rows, strict=True)}, 1.0)
    return products
