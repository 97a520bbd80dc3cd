"""The usual prices of what the session likes."""

from typing import Any

import numpy as np

from state.kernels.core.layout import T_PRICE, T_RELATIVE_PRICE, TABLE_COLUMNS
from state.kernels.core.memory import carray, core, pointer
from state.kernels.core.record import row_of


@core
def find_usual_prices(s: Any, w: Any) -> None:
    """Find mean price and relative price of the products that the session likes, and how many are rated."""
    table = carray(pointer(w.features), (w.rated, TABLE_COLUMNS), np.float32)
    price, relative_price, seen = 0.0, 0.0, 0
    for k in range(s.n_aff):
        p = s.aff_list[k]
        if s.affinity[p] > 0:
            row = row_of(s, w, p)
            if 0 < row < w.rated:
                price += table[row, T_PRICE]
                relative_price += table[row, T_RELATIVE_PRICE]
                seen += 1
    s.usual_price = np.float32(price / max(1, seen))
    s.usual_relative_price = np.float32(relative_price / max(1, seen))
    s.n_usual_prices = seen
