"""Products' rows on their way into a snapshot and back out of it."""

from collections.abc import Set

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.feature_set import Feature, own_rate_columns, prior_of
from state.model.cells import products_and_cells
from state.model.disjoint import arm_width
from state.model.product_sums import FIXED, ProductSums
from state.model.snapshot import Snapshot
from state.model.sums import Sums, Vector

SNAPSHOT_LIMIT_BYTES = 480 * 1024
"""A snapshot stays below the 512 KiB that readers of the topic rely on."""
PRODUCTS_LIMIT_BYTES = SNAPSHOT_LIMIT_BYTES - 16 * 1024
"""What products may take of it."""
CELLS_SHARE = 4
"""Cells may take one of so many parts of what products may."""
_BYTES_PER_PRODUCT = 5 + 16 + 8
"""Of a product in a snapshot, besides its id: the id's length, counts and residuals."""
BIAS = 0
FORGOTTEN = 2.0**-512
"""Of what has decayed so far, nothing is left that a float64 could hold."""


def rows_within(products: ProductSums, room: int, only: Set[str] | None) -> tuple[list[int], list[int]]:
    """Return the rows of the most shown products, and of the most shown cells, all or `only` those, that take at most `room` bytes
    in a snapshot."""
    names = products.product_ids
    rows = (row for row in products.most_shown().tolist() if only is None or names[row] in only)
    of_products, of_cells = products_and_cells(names, rows)
    cells, left = _first_within(names, of_cells, _BYTES_PER_PRODUCT, room // CELLS_SHARE)
    width = _BYTES_PER_PRODUCT + 8 * products.arms.shape[1]
    kept, _ = _first_within(names, of_products, width, room - room // CELLS_SHARE + left)
    return kept, cells


def _first_within(names: list[str], rows: list[int], width: int, room: int) -> tuple[list[int], int]:
    """As many of the rows as there is room for, and what is left of it."""
    for count, row in enumerate(rows):
        taken = len(names[row].encode()) + width
        if taken > room:
            return rows[:count], room
        room -= taken
    return rows, room


def within_limit(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with as many of its most shown products and cells as `SNAPSHOT_LIMIT_BYTES` have room for: a whole one
    has, but one with what changed since may be longer."""
    shorter = snapshot
    while len(shorter.encode()) > SNAPSHOT_LIMIT_BYTES and (shorter.product_ids or shorter.cells):
        shorter = _shortened(_shortened(shorter, "product_ids", ("counts", "residuals", "arms")), "cells", _OF_CELLS)
    return shorter


_OF_CELLS = ("cell_counts", "cell_residuals")


def _shortened(snapshot: Snapshot, names: str, columns: tuple[str, ...]) -> Snapshot:
    """Without a tenth of the rows, those shown least; `columns` begins with the counts."""
    held: list[str] = getattr(snapshot, names)
    counts = np.frombuffer(getattr(snapshot, columns[0]), dtype="<f8").reshape(len(held), FIXED)
    rows = np.argsort(-counts[:, 0], kind="stable")[: len(held) * 9 // 10]
    parts = {name: _of_rows(getattr(snapshot, name), len(held), rows) for name in columns}
    return msgspec.structs.replace(snapshot, **{names: [held[row] for row in rows]}, **parts)


def _of_rows(data: bytes, size: int, rows: NDArray[np.int64]) -> bytes:
    table = np.frombuffer(data, dtype=np.uint8).reshape(size, len(data) // max(1, size))
    return table[rows].tobytes()


def product_rows(snapshot: Snapshot, sums: Sums) -> ProductSums:
    """Return the products' and the cells' sums behind a snapshot, as of the landmark of its own `sums`.

    Exposures and rewards are the snapshot's. The summed features do not travel with it: they are taken as the mean exposure's,
    moved along θ so far that they explain of the reward what the snapshot says was explained. In the disjoint form they are in
    each product's own A, in the row of the bias.
    """
    counts = np.frombuffer(snapshot.counts, dtype="<f8").reshape(-1, FIXED)
    if snapshot.form == "disjoint":
        d = sums.dimension
        arms = np.frombuffer(snapshot.arms, dtype="<f8").reshape(-1, arm_width(d))
        table = np.column_stack([counts, arms[:, 1 + d : 1 + 2 * d], arms])
        return _as_rows(snapshot, sums, snapshot.product_ids, table)
    counts = np.vstack([counts, np.frombuffer(snapshot.cell_counts, dtype="<f8").reshape(-1, FIXED)])
    residuals = np.frombuffer(snapshot.residuals + snapshot.cell_residuals, dtype="<f4").reshape(-1, 2)
    unexplained, share = residuals.astype(np.float64).T
    seen_of = snapshot.seen(sums)
    theta = seen_of.coefficients(snapshot.ridge, snapshot.model_version, prior_of(snapshot.feature_set, sums.dimension))
    theta[own_rate_columns(snapshot.feature_set)] = 0
    seen = seen_of.a[BIAS, BIAS]
    x = np.outer(counts[:, 0], seen_of.a[BIAS] / seen if seen > 0 else np.zeros(len(theta)))
    x[:, Feature.CATEGORY_SHARE] = share
    along = theta.copy()
    along[Feature.CATEGORY_SHARE] = 0
    length = float(along @ along)
    if length > 0:
        x += np.outer((counts[:, 1] - unexplained - x @ theta) / length, along)
    return _as_rows(snapshot, sums, snapshot.product_ids + snapshot.cells, np.column_stack([counts, x]))


def _as_rows(snapshot: Snapshot, sums: Sums, names: list[str], table: Vector) -> ProductSums:
    """Numbers (names, width) as of the snapshot's time as rows as of the landmark of `sums`."""
    fade = sums.fade(snapshot.model_version)
    rows = (table / fade if fade > FORGOTTEN else np.zeros_like(table)).astype("<f8")
    products = ProductSums(sums.dimension, snapshot.form == "disjoint")
    products.merge({p: row.tobytes() for p, row in zip(names, rows, strict=True)}, 1.0)
    return products
