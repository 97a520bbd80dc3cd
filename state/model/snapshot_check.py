"""What a snapshot must be before anything is made of it: whole, finite, of sizes that fit each other.

A snapshot comes from a topic or a file, so from outside. Each rule keeps out what would make a choice, a merge or a publication
fail later, where no one could refuse it any more. That the sums can be factorised shows when `Predictor` does it.
"""

import math
from typing import Any

import numpy as np

from state.codec import damaged
from state.events.event import LONGEST_ID
from state.feature_set import DIMENSION, FEATURE_SET
from state.model.cells import is_sound_cell
from state.model.disjoint import arm_width
from state.model.drift import DriftState
from state.model.snapshot import Snapshot
from state.model.sums import LATEST_MS, Sums, Vector

WHAT = "the model snapshot"
LONGEST_NAME = 128
MOST_WATCHED = 1_000
LARGEST_RIDGE = 1e12
LARGEST_COUNT = 1e15
"""Of exposures and rewards of a product, as of the snapshot's time."""
LARGEST_SUM = 1e24
"""Of a sum as of the snapshot's time: of so many exposures the squared features."""
AHEAD_MS = 24 * 3_600_000
"""How much later than the snapshot's time a landmark or a change of the half-life may lie: events may be ahead of the clock."""
ROUNDING = 1e-6
"""Counts are sums and differences of weights, so 0 may be a little less than that."""


def check_snapshot(snapshot: Snapshot) -> Sums:
    """Return the snapshot's sums, if it is sound.

    Raises:
        UnreadableError: it is not, and the message says why.
    """
    _check_head(snapshot)
    sums = Sums.decode(snapshot.sums)
    _check_sums(snapshot, sums)
    _check_products(snapshot, sums.dimension)
    return sums


def require(holds: Any, reason: str) -> None:
    """Raise UnreadableError for the snapshot unless the condition holds."""
    if not holds:
        raise damaged(WHAT, reason)


def all_finite(*numbers: Any) -> bool:
    """Return whether no number or array has a NaN or an infinity."""
    return all(bool(np.isfinite(each).all()) for each in numbers)


def _check_head(snapshot: Snapshot) -> None:
    require(0 < snapshot.model_version <= LATEST_MS, f"its version {snapshot.model_version} is no time in ms")
    for name in ("feature_set", "variant", "lineage", "learned_from"):
        require(len(getattr(snapshot, name)) <= LONGEST_NAME, f"its {name} has more than {LONGEST_NAME} characters")
    require(
        snapshot.form in ("shared", "disjoint"),
        f"its form {snapshot.form[:LONGEST_NAME]!r} is neither shared nor disjoint",
    )
    require(0 < snapshot.ridge <= LARGEST_RIDGE, f"its ridge {snapshot.ridge} is not above 0")
    require(len(snapshot.watched) <= MOST_WATCHED, f"it watches more than {MOST_WATCHED} variants")
    require(all(map(_is_sound, snapshot.watched)), "what it says of drift is not finite or negative")


def _is_sound(watched: DriftState) -> bool:
    counts = (watched.exposures, watched.drifts, watched.falls, watched.drifted_at_ms)
    return math.isfinite(watched.mean) and min(counts) >= 0 and watched.drifted_at_ms <= LATEST_MS


def _check_sums(snapshot: Snapshot, sums: Sums) -> None:
    d, latest_ms = sums.dimension, snapshot.model_version + AHEAD_MS
    if snapshot.feature_set == FEATURE_SET:
        require(d == DIMENSION, f"it has {d} features, the feature set {FEATURE_SET} has {DIMENSION}")
    times = [sums.landmark_ms, *(turned_ms for turned_ms, _ in sums.turns)]
    require(max(times) <= latest_ms, "its landmark is later than the snapshot itself")
    fade = sums.fade(snapshot.model_version)
    largest = max(float(np.abs(each).max()) for each in (sums.a, sums.b, sums.totals, sums.positions, sums.passed))
    require(largest * fade <= LARGEST_SUM, "its sums are too large")
    least = -ROUNDING * (1 + float(np.abs(sums.totals).max()))
    require(sums.totals[0] >= least and sums.totals[2] >= least, "its count of exposures is negative")
    require((np.diagonal(sums.a) >= -ROUNDING * (1 + float(np.abs(sums.a).max()))).all(), "its squares are negative")


def _check_products(snapshot: Snapshot, dimension: int) -> None:
    products, cells = snapshot.product_ids, snapshot.cells
    require(all(0 < len(name) <= LONGEST_ID for name in products), "a product's id is empty or too long")
    require(all(map(is_sound_cell, cells)), "a cell's name is none")
    for names in (products, cells):
        require(len(set(names)) == len(names), "a product is there twice")
    _check_counts(snapshot.counts, snapshot.residuals, len(products), least_is_checked=True)
    _check_counts(snapshot.cell_counts, snapshot.cell_residuals, len(cells), least_is_checked=False)
    width = arm_width(dimension) if snapshot.form == "disjoint" else 0
    arms = _table(snapshot.arms, "<f8", len(products), width, "models of products")
    require(all_finite(arms), "a product's numbers are not finite")
    require(not arms.size or float(np.abs(arms).max()) <= LARGEST_SUM, "a product's sums are too large")


def _check_counts(of_counts: bytes, of_residuals: bytes, size: int, *, least_is_checked: bool) -> None:
    """A cell may have less than no exposures: where a session's region changed, one gets what is taken back from another."""
    counts = _table(of_counts, "<f8", size, 2, "counts")
    residuals = _table(of_residuals, "<f4", size, 2, "residuals")
    require(all_finite(counts, residuals), "a product's numbers are not finite")
    if not size:
        return
    largest = float(np.abs(counts).max())
    is_small = largest <= LARGEST_COUNT and float(np.abs(residuals).max()) <= LARGEST_COUNT
    require(is_small, "a product's counts are too large")
    is_counted = not least_is_checked or float(counts[:, 0].min()) >= -ROUNDING * (1 + largest)
    require(is_counted, "a product's count of exposures is negative")


def _table(data: bytes, kind: str, rows: int, columns: int, name: str) -> Vector:
    size = rows * columns * np.dtype(kind).itemsize
    require(len(data) == size, f"{len(data)} bytes of {name} for {rows} products, not {size}")
    table: Vector = np.frombuffer(data, dtype=kind).reshape(rows, columns)
    return table
