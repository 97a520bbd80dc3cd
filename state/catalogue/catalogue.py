"""The products that can be recommended, as columns, with the best of each category as candidate lists."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.catalogue.assortment.facts import pack
from state.catalogue.assortment.records import CategoryRecord, ProductRecord
from state.catalogue.assortment.tally import PRIOR_REVIEWS
from state.catalogue.product import Product
from state.catalogue.product_rows import NEUTRAL_RATING, UNLISTED, ProductRows, Rows, packed
from state.catalogue.residents import Residents
from state.catalogue.wanted import Wanted
from state.kernels.columns import ProductColumn

__all__ = ["UNLISTED", "Catalogue", "Rows"]

REBUILD_INTERVAL_MS = 500
"""Candidate lists follow changes of the catalogue within this time, and 1 ms more for each `ROWS_PER_MS` products."""
ROWS_PER_MS = 100

RELATIVE_PRICE_SCALE = 4


class CategoryMeans(NamedTuple):
    """Means over all products of a category: how many are rated, and their mean rating and log price."""

    rated: int
    rating: float
    price: float


class Catalogue(ProductRows):
    """Products of the shop that are held. One that was removed or cannot be bought is never a candidate, at once; lists are rebuilt
    at most twice a second.

    Products come and go with their category's list (`apply_category`); others are asked for (`want`), come by themselves
    (`apply_product`), and leave when room is needed, the longest unused first.

    Attributes:
        pool: rows of all candidate lists, category by category, the best first.
        span_of: where a category's begin in it, and how many they are.
        category_rating: mean rating of each category that has a product to show.
        left_out: how often a product of a list or of an answer found no room.
    """

    def __init__(self, max_products: int, per_category: int) -> None:
        super().__init__()
        self.wanted = Wanted()
        self.left_out = 0
        self.pool: Rows = np.zeros(0, dtype=np.int64)
        self.span_of: dict[str, tuple[int, int]] = {}
        self.category_rating: dict[str, float] = {}
        self._max_products = max_products
        self._per_category = per_category
        self._residents = Residents()
        self._means_by_code: dict[int, CategoryMeans] = {}
        self._forgotten: list[str] = []
        self._dirty = True
        self._built_ms = -REBUILD_INTERVAL_MS

    def put(self, product: Product) -> bool:
        """Add or replace a product; False where the catalogue is full."""
        row = self._room_for(product.product_id)
        if row is not None:
            self._put(row, product.category_id, pack(product))
        return row is not None

    def apply_category(self, record: CategoryRecord) -> None:
        """Hold what the category lists from now on, and of what it listed before only what was asked for."""
        code = self._code(record.category_id)
        means = CategoryMeans(record.rated, record.mean_rating, record.mean_price)
        self._dirty = self._dirty or self._means_by_code.get(code) != means
        self._means_by_code[code] = means
        rows, version = self._rows_for(code, record.product_ids), self._residents.version
        facts = packed(record.facts)
        changed = (rows >= 0) & (version[rows] <= record.version) & self._differ(rows, code, facts)
        if changed.any():
            self._set(rows[changed], code, facts[changed])
            self._dirty = True
        rows = rows[rows >= 0]
        version[rows] = np.maximum(version[rows], record.version)
        self._let_go(self._residents.list_category(code, rows))

    def drop_category(self, category_id: str) -> None:
        """Drop a category that has no product any more."""
        code = self._code(category_id)
        self._dirty = self._means_by_code.pop(code, None) is not None or self._dirty
        self._let_go(self._residents.list_category(code, np.zeros(0, dtype=np.int64)))

    def apply_product(self, product_id: str, record: ProductRecord) -> bool:
        """Hold a product that somebody asked for; False where there is no room for it and this catalogue did not ask."""
        is_full = len(self.row_of) >= self._max_products
        if is_full and product_id not in self.row_of and product_id not in self.wanted:
            return False
        row = self._room_for(product_id)
        if row is None:
            self.left_out += 1
            return False
        self.wanted.settle(product_id)
        self._residents.asked.add(row)
        if self._residents.version[row] <= record.version:
            self._residents.version[row] = record.version
            self._put(row, record.category_id, record.facts)
        return True

    def remove(self, product_id: str) -> None:
        """Take a product out of every later choice."""
        row = self._drop(product_id)
        if row is not None:
            self._residents.leave(row)
            self._dirty = True

    def want(self, product_ids: Iterable[str]) -> None:
        """Ask for those that are not held; see `Wanted`."""
        missing = [product_id for product_id in product_ids if product_id not in self.row_of]
        if missing:
            self.wanted.note(missing)

    def poll_wanted(self, now_ms: int) -> list[str]:
        """Return the products to ask for now."""
        return self.wanted.poll(now_ms)

    def drain_forgotten(self) -> list[str]:
        """Return products that were asked for and had to make room since the last time."""
        forgotten, self._forgotten = self._forgotten, []
        return forgotten

    def drain_counts(self) -> dict[str, int]:
        """Return how often since the last time a product found no room, in the catalogue or among those to ask for."""
        counts = {"products_left_out": self.left_out, "products_not_asked_for": self.wanted.left_out}
        self.left_out = self.wanted.left_out = 0
        return {name: count for name, count in counts.items() if count}

    def can_show(self, product_ids: Iterable[str]) -> bool:
        """Return whether all of them can still be shown."""
        row_of, active = self.row_of, self.active
        return all((row := row_of.get(product_id)) is not None and active[row] for product_id in product_ids)

    def refresh(self, now_ms: int) -> bool:
        """Rebuild the candidate lists where the catalogue changed and it is time; says whether it did."""
        if not self._dirty or now_ms - self._built_ms < REBUILD_INTERVAL_MS + len(self.row_of) // ROWS_PER_MS:
            return False
        self._dirty = False
        self._built_ms = now_ms
        self._rebuild()
        self._use_again()
        return True

    def listed(self, product_ids: Iterable[str]) -> list[int]:
        """Return rows of those that are listed."""
        return [row for product_id in product_ids if (row := self.row_of.get(product_id)) is not None]

    def _rebuild(self) -> None:
        rows = np.flatnonzero(self.active[: len(self.product_ids)])
        codes, rating = self.category[rows], self.static[rows, ProductColumn.RATING].astype(np.float64)
        rated = self._rated[rows]
        size = len(self.category_ids)
        counts = np.bincount(codes[rated], minlength=size).astype(np.float64)
        sums = np.bincount(codes[rated], weights=rating[rated], minlength=size)
        for code, category in self._means_by_code.items():
            counts[code], sums[code] = category.rated, category.rated * category.rating
        overall = sums.sum() / counts.sum() if counts.any() else NEUTRAL_RATING
        means = np.where(counts > 0, sums / np.maximum(counts, 1), overall)
        rating = np.where(rated, rating, means[codes])
        self.static[rows, ProductColumn.RATING] = rating
        self.static[rows, ProductColumn.RELATIVE_PRICE] = self._relative_price(rows, codes)
        reviews = np.expm1(self.static[rows, ProductColumn.REVIEWS]) * rated
        quality = (means[codes] * PRIOR_REVIEWS + rating * reviews) / (PRIOR_REVIEWS + reviews)
        self._rebuild_lists(rows, codes, quality)
        present = np.bincount(codes, minlength=size)
        self.category_rating = {self.category_ids[code]: float(means[code]) for code in np.flatnonzero(present)}

    def _relative_price(self, rows: Rows, codes: Rows) -> NDArray[np.float64]:
        """How far each product's log price lies above the mean one of its category; 0 without a price."""
        price, priced = self.static[rows, ProductColumn.PRICE].astype(np.float64), self._priced[rows]
        size = len(self.category_ids)
        counts = np.bincount(codes[priced], minlength=size)
        means = np.bincount(codes[priced], weights=price[priced], minlength=size) / np.maximum(counts, 1)
        for code, category in self._means_by_code.items():
            means[code] = category.price
        relative_price: NDArray[np.float64] = RELATIVE_PRICE_SCALE * (price - means[codes]) * priced
        return relative_price

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

    def _room_for(self, product_id: str) -> int | None:
        """The product's row, a new one where it has none; None where there is no room."""
        row = self.row_of.get(product_id)
        if row is not None:
            return row
        if len(self.row_of) >= self._max_products:
            self._evict()
            if len(self.row_of) >= self._max_products:
                return None
        self._dirty = True
        row = self._add(product_id)
        self._residents.make_room(len(self.active))
        return row

    def _rows_for(self, code: int, product_ids: list[str]) -> Rows:
        """The rows of a category's list, -1 for products that find no room; what is held already does not make room for others."""
        rows = np.array([self.row_of.get(product_id, -1) for product_id in product_ids], dtype=np.int64)
        self._residents.lister[rows[rows >= 0]] = code
        for place in np.flatnonzero(rows < 0).tolist():
            row = self._room_for(product_ids[place])
            if row is None:
                self.left_out += 1
            else:
                rows[place] = row
                self._residents.lister[row] = code
        return rows

    def _evict(self) -> None:
        """Makes room by what was asked for and used longest ago."""
        for row in self._residents.longest_unused(self.stamp):
            product_id = self.product_ids[row]
            self.remove(product_id)
            self._forgotten.append(product_id)

    def _let_go(self, rows: Iterable[int]) -> None:
        for row in rows:
            self.remove(self.product_ids[row])

    def _put(self, row: int, category_id: str, facts: bytes) -> None:
        self._set(np.array([row]), self._code(category_id), packed(facts))
        self._dirty = True
