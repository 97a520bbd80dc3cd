"""The first pass: of up to a thousand products those that the model expects most of in a session, by the mean alone.

What it looks at is kept up to date with each model, so that a session brings what it knows of categories and prices only. Of the
features those are left out that hardly differ between sessions, or are known of few products only, which other sources offer.
"""

import numpy as np
from numpy.typing import NDArray

from state.candidates.sources.store import NOTHING, Resolved, resolved
from state.catalogue.catalogue import Catalogue, Rows
from state.choosing.features import Context, known_categories
from state.choosing.rates import Rates
from state.choosing.regional import places_in
from state.choosing.worth import by_themselves
from state.kernels.columns import CATEGORY_COLUMNS, ProductColumn
from state.kernels.core.first_pass import find_best

Values = NDArray[np.float64]

SHARE = 0.4
"""Of the candidates, what the first pass offers at most."""


class FirstPass:
    """Products to look at, (n,), under one model.

    Attributes:
        rates: what is known of products; `passed` the rows that were asked for.
        rows: those of them that are known, as the kernel reads them.
        products: (n, 6) what the kernel knows of each beforehand.
        theta: (d,) coefficients.
    """

    def __init__(self, rows: Rows, rates: Rates, theta: Values) -> None:
        table = rates.table
        self.rates, self.passed = rates, rows
        self.theta = np.ascontiguousarray(theta, dtype=np.float64)
        self.rows = np.ascontiguousarray(rows[rows < len(table)])
        self.products = by_themselves(table[self.rows], self.theta)
        self.places = _places(rates.regional.rows, self.rows)
        self._table = table
        self._codes = np.zeros((0, 3))
        self._local = np.zeros(len(self.rows))

    def best(self, context: Context, catalogue: Catalogue, limit: int) -> Resolved:
        """Return of which products most is expected in a session, the best first, for `limit` candidates."""
        if not len(self.rows):
            return NOTHING
        if len(self._codes) < len(catalogue.category_ids):
            self._codes = np.zeros((len(catalogue.category_ids), 3))
        known = np.array(known_categories(context, catalogue), dtype=np.float64).reshape(-1, CATEGORY_COLUMNS)
        regional = self.rates.regional.of(context.group)
        places = self.places[regional.span]
        price, relative_price = self._usual_prices(context, catalogue)
        most = round(SHARE * limit)
        scores, best = np.zeros(most), np.zeros(most, dtype=np.int64)
        count = find_best(
            self.products.ctypes.data,
            len(self.products),
            known.ctypes.data,
            len(known),
            catalogue.code_of(context.last_category),
            regional.effects.ctypes.data,
            len(regional.effects),
            places.ctypes.data,
            regional.values.ctypes.data,
            len(places),
            self._local.ctypes.data,
            price,
            relative_price,
            self.theta.ctypes.data,
            self._codes.ctypes.data,
            len(self._codes),
            scores.ctypes.data,
            best.ctypes.data,
            most,
        )
        return resolved(self.rows[best[:count]])

    def _usual_prices(self, context: Context, catalogue: Catalogue) -> tuple[float, float]:
        """Mean price and relative price of the products that the session likes, NaN where it likes none."""
        named = (catalogue.row_of.get(name) for name, value in context.interest.products.items() if value > 0)
        rows = [row for row in named if row is not None and row < len(self._table)]
        if not rows:
            return np.nan, np.nan
        prices = self._table[rows][:, [ProductColumn.PRICE, ProductColumn.RELATIVE_PRICE]].astype(np.float64)
        total = prices.cumsum(axis=0)[-1]  # one after the other, as the kernels add them
        price, relative_price = (total / len(rows)).astype(np.float32).tolist()
        return price, relative_price


def _places(rows: Rows, passed: Rows) -> Rows:
    """Where each of the rows (n,) is among those passed; -1 for one that is not."""
    order = np.argsort(passed, kind="stable")
    at = places_in(passed[order], rows)
    return np.append(order, -1)[at]
