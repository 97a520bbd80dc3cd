"""Sums per product, for the product's own effect: additive, so that shards merge exactly.

A row holds [n, R, X]: Σ w exposures, Σ w r rewards, and X = Σ w x, the d features summed. For any θ the product's residuals sum
to R - θ·X: so its effect is always measured against the newest model, not against those in force when it was shown. Where each
product has a linear model of its own, the statistics of that follow in the row, see `state.model.disjoint`. Some rows are counts of
the same kind under other names, see `state.model.cells`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.codec import damaged, reading
from state.kernels.learning import add_to_rows
from state.model.cells import is_cell, is_product
from state.model.disjoint import arm_width, write_arm
from state.model.sums import MOST_FEATURES, Vector

FIXED = 2
"""Columns before the features: n and R."""


class ProductSums:
    """Rows of float64 by product id, as of a landmark that the owner keeps.

    Attributes:
        cells, others: how many of the rows are cells', and how many are neither a product's nor a cell's.
    """

    def __init__(self, dimension: int, disjoint: bool = False) -> None:
        self.dimension = dimension
        self.product_ids: list[str] = []
        self.cells = self.others = 0
        self._row_of: dict[str, int] = {}
        self._rows = np.zeros((16, FIXED + dimension + (arm_width(dimension) if disjoint else 0)))

    def __len__(self) -> int:
        """Products held."""
        return len(self.product_ids)

    def __contains__(self, product_id: str) -> bool:
        """Whether a product is held."""
        return product_id in self._row_of

    @property
    def is_disjoint(self) -> bool:
        """Whether rows hold the statistics of a model per product."""
        return bool(self._rows.shape[1] > FIXED + self.dimension)

    @property
    def row_bytes(self) -> int:
        """Length of a row as `take` returns it."""
        return int(8 * self._rows.shape[1])

    @property
    def table(self) -> Vector:
        """(products, 2 + d) in the order of `product_ids`, without models per product: a view."""
        return self._rows[: len(self.product_ids), : FIXED + self.dimension]

    @property
    def arms(self) -> Vector:
        """(products, width of a model's statistics), 0 wide without models per product: a view."""
        return self._rows[: len(self.product_ids), FIXED + self.dimension :]

    def add(self, product_ids: Sequence[str], numbers: Vector, x: Vector) -> None:
        """Add n examples: their products, features (n, d), and numbers times their weights, of which count, reward and squared
        reward are the first three columns."""
        rows = np.array([self._row_of_product(product_id) for product_id in product_ids], dtype=np.int64)
        add_to_rows(x, numbers, rows, self._rows)
        if self.is_disjoint:
            for row, (count, reward, squared), features in zip(rows, numbers[:, :3].tolist(), x, strict=True):
                write_arm(self._rows[row, FIXED + self.dimension :], count, reward, squared, features)

    def merge(self, changes: Mapping[str, bytes], scale: float) -> None:
        """Add rows that `take` returned, times `scale`."""
        for product_id, row in changes.items():
            at = self._row_of_product(product_id)
            self._rows[at] += scale * np.frombuffer(row, dtype="<f8")

    def scale(self, factor: float) -> None:
        """Move all rows to another landmark."""
        if factor != 1.0:
            self._rows[: len(self.product_ids)] *= factor

    def rows(self, product_ids: Iterable[str]) -> dict[str, bytes]:
        """Return rows of those products that are held, as float64 bytes."""
        held = ((product, self._row_of.get(product)) for product in product_ids)
        return {product: self._rows[row].astype("<f8").tobytes() for product, row in held if row is not None}

    def drain(self) -> dict[str, bytes]:
        """Return all rows as float64 bytes by product; nothing is held afterwards."""
        taken = self.rows(self.product_ids)
        self.keep([])
        return taken

    def exposures(self) -> Vector:
        """Return the products' exposures, (products,), without the other rows'."""
        counts: Vector = self.table[:, 0]
        return counts[list(map(is_product, self.product_ids))] if self.cells or self.others else counts

    def table_of(self, names: Sequence[str]) -> Vector:
        """Return rows (names, 2 + d) by name, zeros where one is not held."""
        found = np.zeros((len(names), FIXED + self.dimension))
        for at, name in enumerate(names):
            row = self._row_of.get(name)
            if row is not None:
                found[at] = self._rows[row, : FIXED + self.dimension]
        return found

    def rows_of(self, names: Iterable[str]) -> list[int]:
        """Return the numbers of those rows that are held."""
        return [row for row in map(self._row_of.get, names) if row is not None]

    def most_shown(self) -> NDArray[np.int64]:
        """Return row numbers by falling exposures; ties in the order of arrival."""
        return np.argsort(-self.table[:, 0], kind="stable")

    def keep(self, rows: list[int]) -> None:
        """Forget all rows but these."""
        kept = self._rows[rows]
        self.product_ids = [self.product_ids[row] for row in rows]
        self._count()
        self._row_of = {product: row for row, product in enumerate(self.product_ids)}
        self._rows = np.zeros((max(16, len(rows)), self._rows.shape[1]))
        self._rows[: len(rows)] = kept

    def encode(self) -> bytes:
        """Return ids and rows; part of its owner's versioned bytes."""
        rows = self._rows[: len(self.product_ids)].astype("<f8").tobytes()
        return msgspec.msgpack.encode([self._rows.shape[1], self.product_ids, rows, self.dimension])

    @classmethod
    def decode(cls, data: bytes) -> "ProductSums":
        """Invert `encode`.

        Raises:
            UnreadableError: the bytes are damaged.
        """
        with reading("a record of products' sums"):
            stored = _stored.decode(data)
        width, product_ids, rows = stored.width, stored.product_ids, stored.rows
        dimension = width - FIXED if stored.dimension is None else stored.dimension
        if width not in (FIXED + dimension, FIXED + dimension + arm_width(dimension)) or dimension < 1:
            raise damaged("a record of products' sums", f"{width} columns for {dimension} features")
        if len(rows) != 8 * width * len(product_ids) or len(set(product_ids)) != len(product_ids):
            raise damaged("a record of products' sums", f"{len(rows)} bytes for {len(product_ids)} products")
        sums = cls(dimension, width != FIXED + dimension)
        sums.product_ids = product_ids
        sums._count()
        sums._row_of = {product: row for row, product in enumerate(product_ids)}
        if product_ids:
            sums._rows = np.frombuffer(rows, dtype="<f8").reshape(-1, width).copy()
        return sums

    def _count(self) -> None:
        self.cells = sum(map(is_cell, self.product_ids))
        self.others = len(self.product_ids) - self.cells - sum(map(is_product, self.product_ids))

    def _row_of_product(self, product_id: str) -> int:
        row = self._row_of.get(product_id)
        if row is None:
            row = self._row_of[product_id] = len(self.product_ids)
            self.product_ids.append(product_id)
            self.cells += is_cell(product_id)
            self.others += not (is_cell(product_id) or is_product(product_id))
            if row >= len(self._rows):
                self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        return row


class _Stored(msgspec.Struct, array_like=True):
    """`ProductSums` in bytes; the first release had no models per product, and so did not say how many features there are."""

    width: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
    product_ids: list[str]
    rows: bytes
    dimension: Annotated[int, msgspec.Meta(ge=1, le=MOST_FEATURES)] | None = None


_stored = msgspec.msgpack.Decoder(_Stored)
