"""Products as rows of columns, and rows that are used again."""

import numpy as np
from numpy.typing import NDArray

from state.catalogue.assortment.facts import AVAILABLE, SIZE
from state.catalogue.assortment.tally import PRICE_SCALE
from state.catalogue.name_column import NameColumn
from state.journal import Journal
from state.kernels import MARK_STEPS
from state.kernels.columns import STATIC_COLUMNS, ProductColumn

Rows = NDArray[np.int64]
UNLISTED = 0
"""Row of the neutral product that stands for one which the catalogue does not hold."""
NEUTRAL_RATING = 3.0
NEUTRAL_PRICE = 0.5
"""Of a product without a price, on the scale of log(1 + price) / 8."""

FIRST_ROWS = 1_024


Packed = NDArray[np.uint8]
"""Facts of products as they come, (k, 33), so that what changed is found without reading them."""


def packed(facts: bytes) -> Packed:
    """Return facts of several products, one after the other."""
    return np.frombuffer(facts, dtype=np.uint8).reshape(-1, SIZE)


class ProductRows:
    """`product_ids` and `categories` are by row, `category_ids` by code; `active` says which rows can be shown. `changes` counts
    what may have changed that, or a product's category, `moves` what changed which product a row stands for, and `moved` notes
    those rows. No row of `stamp` holds more than `mark` and what a choice adds to it. `names` and
    `names_of_codes` are products' and categories' ids for the kernels."""

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
        self._facts: Packed = np.zeros((FIRST_ROWS, SIZE), dtype=np.uint8)
        self._rated = np.zeros(FIRST_ROWS, dtype=np.bool_)
        self._priced = np.zeros(FIRST_ROWS, dtype=np.bool_)
        self._free: list[int] = []
        self._leaving: list[int] = []
        self.stamp: Rows = np.zeros(FIRST_ROWS, dtype=np.int64)
        self.code_slot: Rows = np.zeros(0, dtype=np.int64)
        self.names, self.names_of_codes = NameColumn(FIRST_ROWS), NameColumn(FIRST_ROWS)
        self.mark = 0
        self.changes = self.moves = 0
        self.moved: Journal[int] = Journal()

    def __len__(self) -> int:
        """Products held."""
        return len(self.row_of)

    def category_of(self, product_id: str) -> str:
        """Return a listed product's category, "" for another."""
        row = self.row_of.get(product_id)
        return "" if row is None else self.categories[row]

    def code_of(self, category_id: str) -> int:
        """Return the category's number, 0 for one that no product has had."""
        return self._code_of.get(category_id, 0)

    def make_room(self) -> None:
        """Bring `code_slot`, scratch of the kernels by category, to the catalogue's size; `stamp` has it."""
        if len(self.code_slot) < len(self.category_ids):
            self.code_slot = np.zeros(2 * len(self.category_ids), dtype=np.int64)

    def next_mark(self) -> int:
        """Return a number that no row of `stamp` holds, nor any larger one."""
        self.mark += MARK_STEPS
        return self.mark

    def _add(self, product_id: str) -> int:
        """A row for a product that has none."""
        row = self._new_row()
        self.moves += 1
        self.moved.note(row)
        self.product_ids[row] = product_id
        self.names.put(row, product_id)
        self.row_of[product_id] = row
        self.stamp[row] = self.mark
        return row

    def _drop(self, product_id: str) -> int | None:
        """Takes a product out; its row stands for another only after `_use_again`, once nothing refers to it."""
        row = self.row_of.pop(product_id, None)
        if row is not None:
            self.active[row] = False
            self.changes += 1
            self.moves += 1
            self.moved.note(row)
            self._facts[row] = 0
            self.product_ids[row] = ""
            self._leaving.append(row)
        return row

    def _use_again(self) -> None:
        self._free += self._leaving
        self._leaving = []

    def _differ(self, rows: Rows, code: int, facts: Packed) -> NDArray[np.bool_]:
        """Which rows say something else, (k,)."""
        differs: NDArray[np.bool_] = (self._facts[rows] != facts).any(axis=1) | (self.category[rows] != code)
        return differs

    def _set(self, rows: Rows, code: int, facts: Packed) -> None:
        """Products of one category, (k,) each."""
        numbers = np.ascontiguousarray(facts[:, 1:]).view("<f8")
        known = ~np.isnan(numbers)
        values = np.zeros((len(rows), STATIC_COLUMNS))
        values[:, ProductColumn.PRICE] = np.where(known[:, 0], np.log1p(numbers[:, 0]) / PRICE_SCALE, NEUTRAL_PRICE)
        values[:, ProductColumn.RATING] = np.where(known[:, 1], numbers[:, 1], NEUTRAL_RATING)
        values[:, ProductColumn.REVIEWS] = np.log1p(np.where(known[:, 2], numbers[:, 2], 0.0))
        values[:, ProductColumn.CREATED_MS] = np.where(known[:, 3], numbers[:, 3], 0.0)
        values[:, ProductColumn.CODE] = code
        self.static[rows], self._facts[rows], self.category[rows] = values, facts, code
        self._priced[rows], self._rated[rows] = known[:, 0], known[:, 1]
        self.active[rows] = facts[:, 0] & AVAILABLE > 0
        self.changes += 1
        category_id = self.category_ids[code]
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
        self._facts = np.concatenate([self._facts, np.zeros((more, SIZE), dtype=np.uint8)])
        self.category, self.stamp = (
            np.concatenate([column, np.zeros(more, dtype=np.int64)]) for column in (self.category, self.stamp)
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
            self.names_of_codes.put(code, category_id)
        return code
