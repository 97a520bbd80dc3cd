"""Shards' sums merged into the published model, on a base that may come from an earlier job, an import or a rollback."""

import hashlib
from collections.abc import Callable, Mapping, Set

import msgspec
import numpy as np

from state.codec import UnreadableError, damaged, reading, unpack
from state.configuration import Settings
from state.decay import landmark_scale
from state.feature_set import DIMENSION, FEATURE_SET, Feature, own_rate_columns, prior_of
from state.model.cells import is_sound, passed_of, products_and_cells
from state.model.disjoint import improper_arms
from state.model.drift import DriftState
from state.model.examination import Examination, examination_after
from state.model.learner import ShardUpdate
from state.model.predictor import Predictor
from state.model.product_sums import FIXED, ProductSums
from state.model.river.learner import made_from
from state.model.snapshot import Snapshot
from state.model.snapshot_rows import PRODUCTS_LIMIT_BYTES, product_rows, rows_within
from state.model.sums import TURNS_KEPT, Sums, Vector

_VERSION = b"\x02"


class IncompatibleModelError(ValueError):
    """A model's numbers mean something else than this job's. Start without it, or with the settings that it was learned under."""


class ModelConditions(msgspec.Struct, frozen=True):
    """ModelConditions under which a model learns; they must agree for statistics to be shared.

    `variant` is the name of the first of the variants that share them, and so that of the statistics; `river` tells which model of
    the river library learns next to them, and `shards` in how many shards they are learned. `shortens` says that a drift shortens
    the half-life that they begin with, and `by_evidence` that what visitors look at goes by what they do.
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
    shortens: bool = False
    by_evidence: bool = False

    @property
    def key(self) -> str:
        """Names the statistics: those of other features, rewards, exposures or another form are kept apart from these."""
        meaning = f"{self.feature_set} {self.learned_from}" + ("" if self.form == "shared" else f" {self.form}")
        digest = hashlib.sha256(meaning.encode()).hexdigest()[:8]
        return f"{self.variant}@{digest}"


def conditions_of(settings: Settings) -> ModelConditions:
    """Return the conditions of this configuration; `learned_from` is a digest of what a reward and an exposure mean."""
    is_auto = settings.exposure.model == "auto"  # the sums are those of `all`, with more beside them
    meaning = [settings.reward, "all" if is_auto else settings.exposure.model]
    digest = hashlib.sha256(msgspec.json.encode(meaning)).hexdigest()[:16]
    bandit = settings.bandit
    most = bandit.disjoint_products if bandit.form == "disjoint" else bandit.max_products
    is_river, shortens = bandit.policy == "river", bandit.drift == "shorten"
    return ModelConditions(
        FEATURE_SET,
        bandit.variant,
        bandit.prior_weight,
        bandit.half_life_ms,
        digest,
        max_products=most,
        form=bandit.form,
        river=made_from(bandit.river, bandit.river_parameters) if is_river else "",
        shards=1 if is_river or shortens else bandit.shards,  # both depend on the order of what comes
        shortens=shortens,
        by_evidence=is_auto and bandit.form == "shared",
    )


def refuse_incompatible(snapshot: Snapshot, conditions: ModelConditions) -> None:
    """Raise IncompatibleModelError where a snapshot's statistics must not be mixed with those learned under `conditions`."""
    for name, theirs, ours in (
        ("feature set", snapshot.feature_set, conditions.feature_set),
        ("variant", snapshot.variant, conditions.variant),
        ("form (bandit.form)", snapshot.form, conditions.form),
        ("meaning of rewards and exposures (reward.*, exposure.model)", snapshot.learned_from, conditions.learned_from),
    ):
        if theirs != ours:
            raise IncompatibleModelError(
                f"model {snapshot.model_version}: its {name} is {theirs!r}, this job's is {ours!r}"
            )


def refuse_unusable(snapshot: Snapshot, conditions: ModelConditions, now_ms: int) -> None:
    """Go through all that a job of these conditions will do with a snapshot that it starts from.

    Raises:
        IncompatibleModelError: its statistics are not of these conditions.
        UnreadableError: it is not sound.
    """
    Predictor(snapshot)
    Merger(conditions, "", now_ms).replaced(snapshot, now_ms)


class Merger:
    """The model is base + Σ over shards (newest sums - sums when the base was taken), all as of `landmark_ms` under `half_life_ms`.

    Where drift shortens the half-life, the one shard that watches says so with its sums, and all others turn at the same moment.

    A river model is the one shard's own and has no base: neither an earlier job's nor a rollback changes it. In the disjoint form
    the first `max_products` products have a model; `beyond` counts updates of others, which are left to the prior.

    `examination` is what the evidence spoke for when the last snapshot was made.
    """

    def __init__(self, conditions: ModelConditions, lineage: str, began_ms: int) -> None:
        self.conditions = conditions
        self.lineage = lineage
        self.began_ms = began_ms
        self.shards: dict[str, bytes] = {}
        self.marks: dict[str, bytes] = {}
        self.half_life_ms = conditions.half_life_ms
        self.turns: list[tuple[int, int | None]] = []
        self.base: Snapshot | None = None
        self.base_since_ms = 0
        self.base_sums: Sums | None = None
        self.base_scale = 1.0
        self.watched: list[DriftState] = []
        self.products = ProductSums(conditions.dimension, conditions.form == "disjoint")
        self.landmark_ms = 0
        self.river = b""
        self.beyond = 0
        self.dropped = 0
        self.examination: Examination = "all"

    def absorb(self, update: ShardUpdate, now_ms: int) -> bool:
        """Take a shard's update in; a shard's newer sums replace its older ones.

        Returns whether rows of other products than the update's changed.

        Raises:
            UnreadableError: its numbers are none that a shard of these conditions has; then nothing is taken in.
        """
        before, width = (self.landmark_ms, self.half_life_ms), len(self.products)
        original = self._own_sums(update.sums)
        self._check_rows(update.products)
        if self.conditions.shortens and original.turns:
            self.use_half_life(original.half_life_ms, original.turns[-1][0])
        sums = original.under(self.half_life_ms, now_ms)
        self.shards[update.shard] = sums.encode()
        self.river, self.watched = update.river or self.river, update.watched or self.watched
        self._move_to(max(self.landmark_ms, sums.landmark_ms))
        scale = self._scale(original, sums, now_ms)
        self.products.merge(self._admitted(update.products), scale)
        self._bound()
        return (self.landmark_ms, self.half_life_ms) != before or len(self.products) < width

    def _bound(self) -> None:
        """Forgets the products and the cells that were shown least, where there are too many of either."""
        products, most = self.products, self.conditions.max_products
        if max(len(products) - products.cells - products.others, products.cells) > most * 5 // 4:
            of_products, of_cells = products_and_cells(products.product_ids, products.most_shown().tolist())
            kept = [*of_products[:most], *of_cells[:most]]
            products.keep(kept + products.rows_of(passed_of(products.product_ids[row]) for row in kept))

    def use_half_life(self, half_life_ms: int | None, at_ms: int) -> None:
        """Go over to another half-life at a time: what was forgotten until then stays so."""
        if half_life_ms == self.half_life_ms:
            return
        before = Sums(1, self.half_life_ms, self.landmark_ms)
        after = before.under(half_life_ms, at_ms)
        scale = 2.0 ** (after.half_lives_to(at_ms) - before.half_lives_to(at_ms))
        self.products.scale(scale)
        self.base_scale *= scale
        for held in (self.shards, self.marks):
            held.update({shard: Sums.decode(data).under(half_life_ms, at_ms).encode() for shard, data in held.items()})
        if self.base_sums is not None:
            self.base_sums = self.base_sums.under(half_life_ms, at_ms)
        self.turns = [*self.turns, (at_ms, self.half_life_ms)][-TURNS_KEPT:]
        self.half_life_ms, self.landmark_ms = half_life_ms, after.landmark_ms

    def restore_base(self, base: Snapshot | None) -> None:
        """Give a merger that was decoded the snapshot that it stands on."""
        self.base = base
        if base is not None and self.base_sums is None:  # version 1 computed its sums anew each time
            original = base.seen(Sums.decode(base.sums))
            self.base_sums = original.under(self.half_life_ms, self.base_since_ms)
            self.base_scale = self._scale(original, self.base_sums, self.base_since_ms)

    def is_of_earlier_job(self, snapshot: Snapshot) -> bool:
        """Return whether a snapshot of the topic was published by another learner before this one began."""
        return snapshot.lineage != self.lineage and snapshot.model_version < self.began_ms

    def adopt(self, snapshot: Snapshot, now_ms: int) -> None:
        """Add a snapshot of an earlier job to what the shards have learned, in place of an older such base.

        Raises:
            IncompatibleModelError: its statistics are not of these conditions.
        """
        refuse_incompatible(snapshot, self.conditions)
        if self.base is not None:
            self._add_products_of_base(-1)
        self._set_base(snapshot, now_ms)

    def start_from(self, snapshot: Snapshot, now_ms: int) -> None:
        """Put a snapshot in place of all that was learned until now; what the shards learn from now on is added.

        Raises:
            IncompatibleModelError: its statistics are not of these conditions.
        """
        refuse_incompatible(snapshot, self.conditions)
        self.marks = dict(self.shards)
        self.products = ProductSums(self.conditions.dimension, self.products.is_disjoint)
        self._set_base(snapshot, now_ms)

    def copy(self) -> "Merger":
        """Return a merger that goes its own way: what may fail is tried with it."""
        copied = Merger.decode(self.encode(), self.conditions)
        copied.products.merge(self.products.rows(self.products.product_ids), 1.0)
        copied.base, copied.beyond = self.base, self.beyond
        return copied

    def restore_products(self, rows: Mapping[str, bytes]) -> int:
        """Give a merger that was decoded its products' rows; return how many were damaged, and so are left out."""
        sound = {product: row for product, row in rows.items() if is_sound(product) and self._is_row(row)}
        self.products.merge(sound, 1.0)
        return len(rows) - len(sound)

    def replaced(self, snapshot: Snapshot, now_ms: int) -> "Merger":
        """Call `start_from` on a copy, which is returned once it has been seen to publish a sound model.

        Raises:
            IncompatibleModelError, UnreadableError: as `refuse_unusable`; this merger is as it was.
        """
        return self._tried(lambda copied: copied.start_from(snapshot, now_ms), now_ms)

    def succeeding(self, snapshot: Snapshot, now_ms: int) -> "Merger":
        """Call `adopt` on a copy, likewise."""
        return self._tried(lambda copied: copied.adopt(snapshot, now_ms), now_ms)

    def _tried(self, step: Callable[["Merger"], None], now_ms: int) -> "Merger":
        copied = self.copy()
        with reading("the model snapshot"), np.errstate(all="ignore"):
            try:
                step(copied)
            except IncompatibleModelError as error:
                incompatible = error
            else:
                Predictor(copied.snapshot(now_ms))
                return copied
        raise incompatible

    def is_empty(self) -> bool:
        """Return whether there is nothing to publish."""
        return self.base is None and not self.shards

    def sums(self, *, of_base: bool = False) -> Sums:
        """Return the merged statistics, or those `of_base` alone."""
        merged = Sums(self.conditions.dimension, self.half_life_ms, self.landmark_ms)
        merged.turns = self.turns
        if self.base_sums is not None:
            merged.merge(self.base_sums)
        for shard, data in self.shards.items() if not of_base else ():
            merged.merge(Sums.decode(data))
            if shard in self.marks:
                merged.merge(Sums.decode(self.marks[shard]), sign=-1)
        return merged

    def learned(self, now_ms: int) -> float:
        """Return the weighted count of exposures that the model knows as of `now_ms`."""
        merged = self.sums()
        return merged.weight * merged.fade(now_ms)

    @property
    def was_put_back(self) -> bool:
        """Whether a rollback or an import has put another model in place of what the shards had learned."""
        return self.base is not None and bool(self.marks)

    def snapshot(self, now_ms: int, only: Set[str] | None = None, *, of_base: bool = False) -> Snapshot:
        """Return the merged model, with the rows of all products and cells or `only` those.

        The least shown are left out where it would be too large. A product of which less than nothing is left counts as not shown:
        its row was dropped, or a rollback was before it, while sessions held exposures of it that they take back. So much may be
        taken back after a rollback that no exposures add up to what is left; `of_base` leaves out what the shards learned since.
        """
        merged, products, conditions = self.sums(of_base=of_base), self.products, self.conditions
        kept, cells = rows_within(products, PRODUCTS_LIMIT_BYTES - len(self.river), only)
        fade = merged.fade(now_ms)
        self.examination = examination_after(self.examination, merged, now_ms) if conditions.by_evidence else "all"
        seen = merged.looked_at() if self.examination == "cascade" else merged
        theta = seen.coefficients(conditions.ridge, now_ms, prior_of(conditions.feature_set, conditions.dimension))
        own = own_rate_columns(conditions.feature_set)
        theta[own] = 0
        of_products, arms = self._seen(kept), fade * products.arms[kept]
        of_products[of_products[:, 0] < 0] = 0.0
        if products.is_disjoint:
            arms[improper_arms(arms, conditions.dimension, conditions.ridge)] = 0.0
        counts, residuals = _published(fade * of_products, theta, bool(own))
        cell_counts, cell_residuals = _published(fade * self._seen(cells), theta, bool(own))
        return Snapshot(
            model_version=now_ms,
            feature_set=conditions.feature_set,
            variant=conditions.variant,
            ridge=conditions.ridge,
            sums=merged.encode(),
            product_ids=[products.product_ids[row] for row in kept],
            counts=counts,
            residuals=residuals,
            lineage=self.lineage,
            learned_from=conditions.learned_from,
            river=self.river,
            form=conditions.form,
            arms=arms.astype("<f8").tobytes(),
            watched=self.watched,
            cells=[products.product_ids[row] for row in cells],
            cell_counts=cell_counts,
            cell_residuals=cell_residuals,
            examination=self.examination,
        )

    def _seen(self, rows: list[int]) -> Vector:
        """Rows of the products, without what was passed over where that says nothing."""
        table = self.products.table[rows]
        if self.examination == "all" or not self.products.others:
            return table
        return table - self.products.table_of([passed_of(self.products.product_ids[row]) for row in rows])

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state: all but `products`, which change one by one, and `base`, which hardly ever
        does."""
        parts = [self.lineage, self.began_ms, self.landmark_ms, self.shards, self.marks, self.base_since_ms, self.river]
        base_sums = b"" if self.base_sums is None else self.base_sums.encode()
        later = [self.half_life_ms, self.turns, base_sums, self.base_scale, self.watched, self.examination]
        return _VERSION + msgspec.msgpack.encode(parts + later)

    @classmethod
    def decode(cls, data: bytes, conditions: ModelConditions) -> "Merger":
        """Invert `encode`; `products` and, by `restore_base`, `base` are the caller's to fill in.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged. Of sums that an earlier release took over though
                they are not sound, only those are left out, and `dropped` counts them.
        """
        stored = unpack(data, (b"\x01", _VERSION), _stored, "a record of merged statistics")
        merger = cls(conditions, stored.lineage, stored.began_ms)
        merger.landmark_ms, merger.base_since_ms, merger.river = stored.landmark_ms, stored.base_since_ms, stored.river
        merger.shards, merger.marks = merger._sound(stored.shards), merger._sound(stored.marks)
        if stored.watched is not None:
            merger.half_life_ms, merger.turns, merger.base_scale = stored.half_life_ms, stored.turns, stored.base_scale
            merger.base_sums = next(map(Sums.decode, merger._sound({"": stored.base_sums}).values()), None)
            merger.watched, merger.examination = stored.watched, stored.examination
        return merger

    def _set_base(self, snapshot: Snapshot, now_ms: int) -> None:
        # of what was passed over there are no products' rows in it
        original = snapshot.seen(Sums.decode(snapshot.sums))
        self.base, self.base_since_ms = snapshot, now_ms
        self.examination = snapshot.examination if self.conditions.by_evidence else "all"
        self.base_sums = original.under(self.half_life_ms, now_ms)
        self._move_to(max(self.landmark_ms, self.base_sums.landmark_ms))
        self.base_scale = self._scale(original, self.base_sums, now_ms)
        self._add_products_of_base(1)

    def _scale(self, original: Sums, moved: Sums, at_ms: int) -> float:
        """What takes numbers as of the landmark of `original` to this landmark, by way of `moved`, the same sums since `at_ms`."""
        scale = landmark_scale(moved.landmark_ms, self.landmark_ms, self.half_life_ms)
        if moved is original:
            return scale
        return scale * float(2.0 ** (moved.half_lives_to(at_ms) - original.half_lives_to(at_ms)))

    def _own_sums(self, data: bytes) -> Sums:
        sums = Sums.decode(data)
        if sums.dimension != self.conditions.dimension:
            raise damaged("a record of sums", f"it has {sums.dimension} features, not {self.conditions.dimension}")
        return sums

    def _sound(self, held: dict[str, bytes]) -> dict[str, bytes]:
        sound: dict[str, bytes] = {}
        for name, data in held.items():
            try:
                if data:
                    self._own_sums(data)
                    sound[name] = data
            except UnreadableError:
                self.dropped += 1
        return sound

    def _is_row(self, row: bytes) -> bool:
        return len(row) == self.products.row_bytes and bool(np.isfinite(np.frombuffer(row, dtype="<f8")).all())

    def _check_rows(self, rows: Mapping[str, bytes]) -> None:
        if set(map(len, rows.values())) - {self.products.row_bytes}:
            raise damaged("the update of a shard", f"rows of products must have {self.products.row_bytes} bytes")
        if not np.isfinite(np.frombuffer(b"".join(rows.values()), dtype="<f8")).all():
            raise damaged("the update of a shard", "its numbers must be finite")

    def _admitted(self, rows: dict[str, bytes]) -> dict[str, bytes]:
        """Of an update's rows, those of products that are held, or for whose model there is room; an earlier release told of names
        too that are none."""
        rows = {name: row for name, row in rows.items() if is_sound(name)}
        if not self.products.is_disjoint:
            return rows
        room = self.conditions.max_products - len(self.products)
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
        rows = product_rows(self.base, Sums.decode(self.base.sums))
        self.products.merge(rows.rows(rows.product_ids), sign * self.base_scale)

    def _move_to(self, landmark_ms: int) -> None:
        scale = landmark_scale(self.landmark_ms, landmark_ms, self.half_life_ms)
        self.products.scale(scale)
        self.base_scale *= scale
        self.landmark_ms = landmark_ms


def _published(table: Vector, theta: Vector, has_shares: bool) -> tuple[bytes, bytes]:
    """Counts and residuals of rows of `ProductSums` as they stand in a snapshot."""
    unexplained = table[:, 1] - table[:, FIXED:] @ theta
    share = table[:, FIXED + Feature.CATEGORY_SHARE] if has_shares else np.zeros(len(table))
    residuals = np.column_stack([unexplained, share]).astype("<f4")
    return table[:, :FIXED].astype("<f8").tobytes(), residuals.tobytes()


class _Stored(msgspec.Struct, array_like=True):
    """`Merger` in bytes; version 1 ended with `river`."""

    lineage: str
    began_ms: int
    landmark_ms: int
    shards: dict[str, bytes]
    marks: dict[str, bytes]
    base_since_ms: int
    river: bytes
    half_life_ms: int | None = None
    turns: list[tuple[int, int | None]] = []
    base_sums: bytes = b""
    base_scale: float = 1.0
    watched: list[DriftState] | None = None
    examination: Examination = "all"


_stored = msgspec.msgpack.Decoder(_Stored)
