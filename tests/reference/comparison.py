"""Whether a published snapshot holds what the reference recomputed."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.model.cells import parts_of
from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.reference.regression import Statistics

TOLERANCE = 1e-9
Vector = NDArray[np.float64]


def differences(snapshot: Snapshot, reference: Statistics) -> dict[str, float]:
    """By statistic ‖ours - reference‖ / ‖reference‖; products are compared as one table."""
    sums = Sums.decode(snapshot.sums)
    totals = [reference.exposures, reference.reward, reference.reward_squared]
    pairs: dict[str, tuple[Vector, Vector]] = {
        "A": (sums.a, reference.a),
        "b": (sums.b, reference.b),
        "exposures": (sums.totals[:1], np.array(totals[:1])),
        "rewards": (sums.totals[1:2], np.array(totals[1:2])),
        "squared rewards": (sums.totals[2:], np.array(totals[2:])),
        "passed over": (sums.passed, reference.passed),
        "evidence on examination": (sums.evidence, np.array(reference.evidence, dtype=np.float64)),
        "products": _tables(snapshot.product_ids, snapshot.counts, reference.products),
        "products by region": _tables(map(parts_of, snapshot.cells), snapshot.cell_counts, reference.cells),
    }
    return {name: _difference(ours, theirs) for name, (ours, theirs) in pairs.items()}


def _tables(names: Iterable[Any], counts: bytes, expected: Mapping[Any, list[float]]) -> tuple[Vector, Vector]:
    """Both as (names, 2), in one order of all names."""
    rows = dict(zip(names, np.frombuffer(counts, dtype="<f8").reshape(-1, 2), strict=True))
    both, nothing = sorted({*rows, *expected}), np.zeros(2)
    return (
        np.array([rows.get(name, nothing) for name in both]),
        np.array([expected.get(name, nothing) for name in both]),
    )


def _difference(ours: Vector, theirs: Vector) -> float:
    """Relative; absolute if the reference is 0, except what rounding leaves of sums that cancel."""
    return float(np.linalg.norm(ours - theirs)) / max(float(np.linalg.norm(theirs)), 1e-3)


def assert_equal(snapshot: Snapshot, reference: Statistics) -> None:
    """Norm-wise to 1e-9."""
    assert reference.exposures, "nothing was seen"
    found = differences(snapshot, reference)
    assert max(found.values()) <= TOLERANCE, found
