"""The products that can be recommended, as columns, with the best of each category as candidate lists."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from state.product import Product

Rows = NDArray[np.int64]
UNLISTED = 0
"""Row of the neutral product that stands for one which the catalogue does not list."""
PRIOR_REVIEWS = 10
"""Weight of the category's mean in a product's rating: one five-star review does not win."""
NEUTRAL_RATING = 3.0
NEUTRAL_PRICE = 0.5
"""Of a product without a price, on the scale of log(1 + price) / 8."""
REBUILD_INTERVAL_MS = 500
"""Candidate lists follow changes of the catalogue within this time."""

# Columns of `Catalogue.static`.
PRICE, RATING, REVIEWS, DEARNESS, CREATED_MS, CODE = range(6)
STATIC_COLUMNS = 6
DEARNESS_SCALE = 4


class Catalogue:
    """Products by row. A product that was removed is never returned, at once; lists are rebuilt at most twice a second.

    `pool` holds the rows of all candidate lists, category by category, the best first; `span_of` says where a category's begin
    in it, and how many they are. `product_ids` and `categories` are by row, `category_ids` by code.
    """

    def __init__(self, max_products: int, per_category: int) -> None:
        self._max_products = max_products
        self._per_category = per_category
        self.product_ids: list[str] = [""]
        self.category_ids: list[str] = [""]
        self.categories: list[str] = [""]
        self.row_of: dict[str, int] = {}
        self._code_of: dict[str, int] = {"": 0}
        self.static = np.zeros((1_024, STATIC_COLUMNS))
        self.static[UNLISTED, :2] = (NEUTRAL_PRICE, NEUTRAL_RATING)
        self.category = np.zeros(1_024, dtype=np.int64)
        self.active = np.zeros(1_024, dtype=np.bool_)
        self._rated = np.zeros(1_024, dtype=np.bool_)
        self._priced = np.zeros(1_024, dtype=np.bool_)
        self._free: list[int] = []
        self._dirty = True
        self._built_ms = -REBUILD_INTERVAL_MS
        self.pool: Rows = np.zeros(0, dtype=np.int64)
        self.span_of: dict[str, tuple[int, int]] = {}
        self.stamp, self.row_slot, self.code_slot = (np.zeros(0, dtype=np.int64) for _ in range(3))
        self._mark = 0
        self.category_rating: dict[str, float] = {}

    def __len__(self) -> int:
        """Products listed."""
        return len(self.row_of)

    def put(self, product: Product) -> bool:
        """Adds or replaces a product; False where the catalogue is full."""
        row = self.row_of.get(product.product_id)
        if row is None:
            if len(self.row_of) >= self._max_products:
                return False
            row = self._new_row(product.product_id)
        price = NEUTRAL_PRICE if product.price is None else float(np.log1p(product.price)) / 8
        code, reviews = self._code(product.category_id), float(np.log1p(product.rating_count or 0))
        self.static[row] = (price, product.rating or NEUTRAL_RATING, reviews, 0.0, product.created_at or 0, code)
        self._priced[row] = product.price is not None
        self._rated[row] = product.rating is not None
        self.category[row] = code
        self.categories[row] = product.category_id
        self.active[row] = True
        self._dirty = True
        return True

    def remove(self, product_id: str) -> None:
        """Takes a product out of every later choice."""
        row = self.row_of.pop(product_id, None)
        if row is not None:
            self.active[row] = False
            self.product_ids[row] = ""
            self._free.append(row)
            self._dirty = True

    def category_of(self, product_id: str) -> str:
        """A listed product's category, "" for another."""
        row = self.row_of.get(product_id)
        return "" if row is None else self.categories[row]

    def code_of(self, category_id: str) -> int:
        """The category's number, 0 for one that no product has had."""
        return self._code_of.get(category_id, 0)

    def want(self, product_ids: Iterable[str]) -> None:
        """Asks for products that are not held here; all products are held here, so there is nothing to ask for."""

    def refresh(self, now_ms: int) -> bool:
        """Rebuilds the candidate lists where the catalogue changed and it is time; says whether it did."""
        if not self._dirty or now_ms - self._built_ms < REBUILD_INTERVAL_MS:
            return False
        self._dirty = False
        self._built_ms = now_ms
        self._rebuild()
        return True

    def listed(self, product_ids: Iterable[str]) -> list[int]:
        """Rows of those that are listed."""
        return [row for product_id in product_ids if (row := self.row_of.get(product_id)) is not None]

    def make_room(self) -> None:
        """Brings the scratch arrays of the kernels to the catalogue's size: `stamp`, `row_slot` by row, `code_slot` by category."""
        if len(self.row_slot) != len(self.active):
            self.stamp, self.row_slot = np.zeros((2, len(self.active)), dtype=np.int64)
        if len(self.code_slot) < len(self.category_ids):
            self.code_slot = np.zeros(2 * len(self.category_ids), dtype=np.int64)

    def next_mark(self) -> int:
        """A number that no row of `stamp` holds."""
        self._mark += 1
        return self._mark

    def _rebuild(self) -> None:
        rows = np.flatnonzero(self.active[: len(self.product_ids)])
        codes, rating = self.category[rows], self.static[rows, RATING].astype(np.float64)
        rated = self._rated[rows]
        size = len(self.category_ids)
        counts = np.bincount(codes[rated], minlength=size)
        overall = rating[rated].mean() if rated.any() else NEUTRAL_RATING
        sums = np.bincount(codes[rated], weights=rating[rated], minlength=size)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        rating = np.where(rated, rating, means[codes])
        self.static[rows, RATING] = rating
        self.static[rows, DEARNESS] = self._dearness(rows, codes)
        reviews = np.expm1(self.static[rows, REVIEWS]) * rated
        quality = (means[codes] * PRIOR_REVIEWS + rating * reviews) / (PRIOR_REVIEWS + reviews)
        self._rebuild_lists(rows, codes, quality)
        present = np.bincount(codes, minlength=size)
        self.category_rating = {self.category_ids[code]: float(means[code]) for code in np.flatnonzero(present)}

    def _dearness(self, rows: Rows, codes: Rows) -> NDArray[np.float64]:
        """How far each product's log price lies above the mean one of its category; 0 without a price."""
        price, priced = self.static[rows, PRICE].astype(np.float64), self._priced[rows]
        size = len(self.category_ids)
        counts = np.bincount(codes[priced], minlength=size)
        means = np.bincount(codes[priced], weights=price[priced], minlength=size) / np.maximum(counts, 1)
        dearness: NDArray[np.float64] = DEARNESS_SCALE * (price - means[codes]) * priced
        return dearness

    def _rebuild_lists(self, rows: Rows, codes: Rows, quality: NDArray[np.float64]) -> None:
        order = np.lexsort((-quality, codes))
        starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
        lists = [rows[part[: self._per_category]] for part in np.split(order, starts[1:])] if len(order) else []
        ends = np.cumsum([len(best) for best in lists]).tolist()
        self.span_of = {
            self.category_ids[self.category[best[0]]]: (end - len(best), len(best))
            for best, end in zip(lists, ends, strict=True)
        }
        self.pool = np.concatenate(lists) if lists else np.zeros(0, dtype=np.int64)

    def _new_row(self, product_id: str) -> int:
        if self._free:
            row = self._free.pop()
            self.product_ids[row] = product_id
        else:
            row = len(self.product_ids)
            self.product_ids.append(product_id)
            self.categories.append("")
            if row >= len(self.active):
                self._grow()
        self.row_of[product_id] = row
        return row

    def _grow(self) -> None:
        more = len(self.active)
        self.static = np.concatenate([self.static, np.zeros((more, STATIC_COLUMNS))])
        self.category = np.concatenate([self.category, np.zeros(more, dtype=np.int64)])
        self.active = np.concatenate([self.active, np.zeros(more, dtype=np.bool_)])
        self._rated = np.concatenate([self._rated, np.zeros(more, dtype=np.bool_)])
        self._priced = np.concatenate([self._priced, np.zeros(more, dtype=np.bool_)])

    def _code(self, category_id: str) -> int:
        code = self._code_of.get(category_id)
        if code is None:
            code = self._code_of[category_id] = len(self.category_ids)
            self.category_ids.append(category_id)
        return code
