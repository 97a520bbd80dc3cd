"""Products as rows of columns, and rows that are used again."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.assortment.tally import PRICE_SCALE

Rows = NDArray[np.int64]
UNLISTED = 0
"""Row of the neutral product that stands for one which the catalogue does not hold."""
NEUTRAL_RATING = 3.0
NEUTRAL_PRICE = 0.5
"""Of a product without a price, on the scale of log(1 + price) / 8."""

# Columns of `ProductRows.static`.
PRICE, RATING, REVIEWS, DEARNESS, CREATED_MS, CODE = range(6)
STATIC_COLUMNS = 6
FIRST_ROWS = 1_024


class Columns(NamedTuple):
    """Products as rows of `Catalogue.static`: `values` (k, 6), and which of them have a price and a rating of their own."""

    values: NDArray[np.float64]
    priced: NDArray[np.bool_]
    rated: NDArray[np.bool_]

    @classmethod
    def of(cls, numbers: NDArray[np.float64]) -> "Columns":
        """From price, rating, number of ratings and time of creation, (k, 4), NaN where unknown."""
        known = ~np.isnan(numbers)
        values = np.zeros((len(numbers), STATIC_COLUMNS))
        values[:, PRICE] = np.where(known[:, 0], np.log1p(numbers[:, 0]) / PRICE_SCALE, NEUTRAL_PRICE)
        values[:, RATING] = np.where(known[:, 1], numbers[:, 1], NEUTRAL_RATING)
        values[:, REVIEWS] = np.log1p(np.where(known[:, 2], numbers[:, 2], 0.0))
        values[:, CREATED_MS] = np.where(known[:, 3], numbers[:, 3], 0.0)
        return cls(values, known[:, 0], known[:, 1])

    def some(self, which: NDArray[np.bool_]) -> "Columns":
        """Those of a mask (k,)."""
        return Columns(self.values[which], self.priced[which], self.rated[which])


class ProductRows:
    """`product_ids` and `categories` are by row, `category_ids` by code; `active` says which rows can be shown."""

    def __init__(self) -> None:
        self.product_ids: list[str] = [""]
        self.category_ids: list[str] = [""]
        self.categories: list[str] = [""]
        self.row_of: dict[str, int] = {}
        self._code_of: dict[str, int] = {"": 0}
        self.static = np.zeros((FIRST_ROWS, STATIC_COLUMNS))
        self.static[UNLISTED, :2] = (NEUTRAL_PRICE, NEUTRAL_RATING)
        self.category: Rows = np.zeros(FIRST_ROWS, dtype=np.int64)
        self.active = np.zeros(FIRST_ROWS, dtype=np.bool_)
        self._rated = np.zeros(FIRST_ROWS, dtype=np.bool_)
        self._priced = np.zeros(FIRST_ROWS, dtype=np.bool_)
        self._free: list[int] = []
        self._leaving: list[int] = []
        self.stamp, self.row_slot = np.zeros((2, FIRST_ROWS), dtype=np.int64)
        self.code_slot: Rows = np.zeros(0, dtype=np.int64)
        self._mark = 0

    def __len__(self) -> int:
        """Products held."""
        return len(self.row_of)

    def category_of(self, product_id: str) -> str:
        """A listed product's category, "" for another."""
        row = self.row_of.get(product_id)
        return "" if row is None else self.categories[row]

    def code_of(self, category_id: str) -> int:
        """The category's number, 0 for one that no product has had."""
        return self._code_of.get(category_id, 0)

    def make_room(self) -> None:
        """Brings `code_slot`, scratch of the kernels by category, to the catalogue's size; `stamp` and `row_slot` have it."""
        if len(self.code_slot) < len(self.category_ids):
            self.code_slot = np.zeros(2 * len(self.category_ids), dtype=np.int64)

    def next_mark(self) -> int:
        """A number that no row of `stamp` holds."""
        self._mark += 1
        return self._mark

    def _add(self, product_id: str) -> int:
        """A row for a product that has none."""
        row = self._new_row()
        self.product_ids[row] = product_id
        self.row_of[product_id] = row
        self.stamp[row] = self._mark
        return row

    def _drop(self, product_id: str) -> int | None:
        """Takes a product out; its row stands for another only after `_use_again`, once nothing refers to it."""
        row = self.row_of.pop(product_id, None)
        if row is not None:
            self.active[row] = False
            self.product_ids[row] = ""
            self._leaving.append(row)
        return row

    def _use_again(self) -> None:
        self._free += self._leaving
        self._leaving = []

    def _differ(self, rows: Rows, code: int, columns: "Columns") -> NDArray[np.bool_]:
        """Which rows say something else, (k,)."""
        static, rated = self.static[rows], self._rated[rows]
        differs: NDArray[np.bool_] = (
            (self.category[rows] != code)
            | ~self.active[rows]
            | (self._priced[rows] != columns.priced)
            | (rated != columns.rated)
            | (static[:, PRICE] != columns.values[:, PRICE])
            | (rated & (static[:, RATING] != columns.values[:, RATING]))
            | (static[:, REVIEWS] != columns.values[:, REVIEWS])
            | (static[:, CREATED_MS] != columns.values[:, CREATED_MS])
        )
        return differs

    def _set_all(self, rows: Rows, code: int, category_id: str, columns: "Columns") -> None:
        """Products of one category that can be bought."""
        if not len(rows):
            return
        self.static[rows] = columns.values
        self.static[rows, CODE] = code
        self._priced[rows], self._rated[rows] = columns.priced, columns.rated
        self.category[rows] = code
        self.active[rows] = True
        for row in rows.tolist():
            self.categories[row] = category_id

    def _new_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = len(self.product_ids)
        self.product_ids.append("")
        self.categories.append("")
        if row >= len(self.active):
            self._grow()
        return row

    def _grow(self) -> None:
        more = len(self.active)
        self.static = np.concatenate([self.static, np.zeros((more, STATIC_COLUMNS))])
        self.category, self.stamp, self.row_slot = (
            np.concatenate([column, np.zeros(more, dtype=np.int64)])
            for column in (self.category, self.stamp, self.row_slot)
        )
        self.active, self._rated, self._priced = (
            np.concatenate([column, np.zeros(more, dtype=np.bool_)])
            for column in (self.active, self._rated, self._priced)
        )

    def _code(self, category_id: str) -> int:
        code = self._code_of.get(category_id)
        if code is None:
            code = self._code_of[category_id] = len(self.category_ids)
            self.category_ids.append(category_id)
        return code
