"""Products' rows on their way into a snapshot and back out of it."""

from collections.abc import Set

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.feature_set import Feature, own_rate_columns, prior_of
from state.model.disjoint import arm_width
from state.model.product_sums import FIXED, ProductSums
from state.model.snapshot import Snapshot
from state.model.sums import Sums, Vector

SNAPSHOT_LIMIT_BYTES = 480 * 1024
"""A snapshot stays below the 512 KiB that readers of the topic rely on."""
PRODUCTS_LIMIT_BYTES = SNAPSHOT_LIMIT_BYTES - 16 * 1024
"""What products may take of it."""
_BYTES_PER_PRODUCT = 5 + 16 + 8
"""Of a product in a snapshot, besides its id: the id's length, counts and residuals."""
BIAS = 0
FORGOTTEN = 2.0**-512
"""Of what has decayed so far, nothing is left that a float64 could hold."""


def rows_within(products: ProductSums, room: int, only: Set[str] | None) -> list[int]:
    """Return the rows of the most shown products, all or `only` those, that take at most `room` bytes in a snapshot."""
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


def within_limit(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with as many of its most shown products as `SNAPSHOT_LIMIT_BYTES` have room for: a whole one has, but one
    with what changed since may be longer."""
    size = len(snapshot.product_ids)
    if not size or len(snapshot.encode()) <= SNAPSHOT_LIMIT_BYTES:
        return snapshot
    counts = np.frombuffer(snapshot.counts, dtype="<f8").reshape(size, FIXED)
    rows = np.argsort(-counts[:, 0], kind="stable")
    while len(rows):
        rows = rows[: len(rows) * 9 // 10]
        parts = {name: _of_rows(getattr(snapshot, name), size, rows) for name in ("counts", "residuals", "arms")}
        kept = [snapshot.product_ids[row] for row in rows]
        shorter = msgspec.structs.replace(snapshot, product_ids=kept, **parts)
        if len(shorter.encode()) <= SNAPSHOT_LIMIT_BYTES:
            break
    return shorter


def _of_rows(data: bytes, size: int, rows: NDArray[np.int64]) -> bytes:
    table = np.frombuffer(data, dtype=np.uint8).reshape(size, -1)
    return table[rows].tobytes()


def product_rows(snapshot: Snapshot, sums: Sums) -> ProductSums:
    """Return the products' sums behind a snapshot, as of the landmark of its own `sums`.

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
    theta = sums.coefficients(snapshot.ridge, snapshot.model_version, prior_of(snapshot.feature_set, sums.dimension))
    theta[own_rate_columns(snapshot.feature_set)] = 0
    seen = sums.a[BIAS, BIAS]
    x = np.outer(counts[:, 0], sums.a[BIAS] / seen if seen > 0 else np.zeros(len(theta)))
    x[:, Feature.CATEGORY_SHARE] = share
    along = theta.copy()
    along[Feature.CATEGORY_SHARE] = 0
    length = float(along @ along)
    if length > 0:
        x += np.outer((counts[:, 1] - unexplained - x @ theta) / length, along)
    return _as_rows(snapshot, sums, np.column_stack([counts, x]))


def _as_rows(snapshot: Snapshot, sums: Sums, table: Vector) -> ProductSums:
    """Numbers (products, width) as of the snapshot's time as rows as of the landmark of `sums`."""
    fade = sums.fade(snapshot.model_version)
    rows = (table / fade if fade > FORGOTTEN else np.zeros_like(table)).astype("<f8")
    products = ProductSums(sums.dimension, snapshot.form == "disjoint")
    products.merge({p: row.tobytes() for p, row in zip(snapshot.product_ids, rows, strict=True)}, 1.0)
    return products
