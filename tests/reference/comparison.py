"""Whether a published snapshot holds what the reference recomputed."""

import numpy as np
from numpy.typing import NDArray

from state.model.snapshot import Snapshot
from state.model.sums import Sums
from tests.reference.regression import Statistics

TOLERANCE = 1e-9


def differences(snapshot: Snapshot, reference: Statistics) -> dict[str, float]:
    """By statistic ‖ours - reference‖ / ‖reference‖; the products are compared as one table."""
    sums = Sums.decode(snapshot.sums)
    rows = dict(zip(snapshot.product_ids, np.frombuffer(snapshot.counts, dtype="<f8").reshape(-1, 2), strict=True))
    names = sorted({*rows, *reference.products})
    nothing = np.zeros(2)
    totals = [reference.exposures, reference.reward, reference.reward_squared]
    pairs: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {
        "A": (sums.a, reference.a),
        "b": (sums.b, reference.b),
        "exposures": (sums.totals[:1], np.array(totals[:1])),
        "rewards": (sums.totals[1:2], np.array(totals[1:2])),
        "squared rewards": (sums.totals[2:], np.array(totals[2:])),
        "products": (
            np.array([rows.get(name, nothing) for name in names]),
            np.array([reference.products.get(name, nothing) for name in names]),
        ),
    }
    return {name: _difference(ours, theirs) for name, (ours, theirs) in pairs.items()}


def _difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """Relative; absolute if the reference is 0, except what rounding leaves of sums that cancel."""
    return float(np.linalg.norm(ours - theirs)) / max(float(np.linalg.norm(theirs)), 1e-3)


def assert_equal(snapshot: Snapshot, reference: Statistics) -> None:
    """Norm-wise to 1e-9."""
    assert reference.exposures, "nothing was seen"
    found = differences(snapshot, reference)
    assert max(found.values()) <= TOLERANCE, found
