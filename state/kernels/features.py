"""Features of candidates, as float16 holds them, and the rewards expected under them."""

import math
from typing import Any

import numpy as np

from state.feature_set import DIMENSION
from state.kernels.compiled import compiled

NOVELTY_MS = 30 * 24 * 3_600_000
MOST_IN_VAIN = 4
HALFWAY_IN_VAIN = 4
"""Exposures in vain at which a category's `category_in_vain` is one half."""
NO_AFFINITY = -1e30


@compiled
def round_to_half(x: Any) -> Any:
    """Rounds `x` (n, d) float32 in place to what float16 can hold, to nearest, ties to even; returns its bits, (n, d) uint16."""
    n, d = x.shape
    bits = x.view(np.uint32)
    half = np.empty((n, d), np.uint16)
    for i in range(n):
        for j in range(d):
            sign = bits[i, j] & 0x80000000
            size = bits[i, j] & 0x7FFFFFFF
            if size < 0x38800000:  # below the smallest normal number, 2⁻¹⁴: multiples of 2⁻²⁴
                steps = np.rint(abs(x[i, j]) * np.float32(16777216.0))
                half[i, j] = (sign >> 16) | int(steps)
                x[i, j] = math.copysign(steps / np.float32(16777216.0), x[i, j])
            else:
                size = (size + 0xFFF + ((size >> 13) & 1)) & 0xFFFFE000
                if size >= 0x47800000:  # 2¹⁶ and above, and what is no number
                    size = 0x7FC00000 if size > 0x7F800000 else 0x7F800000
                    half[i, j] = (sign >> 16) | (0x7E00 if size > 0x7F800000 else 0x7C00)
                else:
                    half[i, j] = (sign >> 16) | ((size - 0x38000000) >> 13)
                bits[i, j] = sign | size
    return half


@compiled
def describe(
    rows: Any,
    table: Any,
    categories: Any,
    products: Any,
    now_ms: float,
    last_code: int,
    visits: float,
    code_slot: Any,
    row_slot: Any,
    theta: Any,
) -> Any:
    """Everything that is known of the candidates `rows` (n,) before a policy looks at them.

    Returns their features as bits of float16, (n, d), the same numbers in float32, their expected rewards (n,) under `theta` (d,)
    with the own effect of each, and five columns of the table as (5, n): effect, its variance, exposures, rewards and prior.

    `table` (rated, 16) float32 is `Rates.table`, a row in one line of the cache; rows beyond it are taken as row 0.
    `categories` (c, 4) hold the code, share, taste and times in vain of each category that the session knows, `products` (p, 3)
    the row, affinity (NO_AFFINITY where it has none) and times in vain. The slots are scratch, all zero before and after.
    """
    n, rated = len(rows), len(table)
    x = np.zeros((n, DIMENSION), np.float32)
    for c in range(len(categories)):
        code_slot[int(categories[c, 0])] = c + 1
    code_slot[0] = 0
    usual_price, usual_dearness, seen = 0.0, 0.0, 0
    for p in range(len(products)):
        row = int(products[p, 0])
        row_slot[row] = p + 1
        if products[p, 1] > 0 and row < rated:
            usual_price += table[row, 0]
            usual_dearness += table[row, 3]
            seen += 1
    if seen:
        usual_price /= seen
        usual_dearness /= seen
    own, mean = np.empty((5, n)), np.empty(n)
    for i in range(n):
        row = rows[i]
        of = table[row if row < rated else 0]
        code = int(of[5])
        price, dearness = of[0], of[3]
        rating = (of[1] - 3.0) / 2.0
        share, taste, in_vain = 0.0, 0.0, 0.0
        if code_slot[code]:
            known = categories[code_slot[code] - 1]
            share, taste, in_vain = known[1], known[2], known[3]
        for c in range(5):
            own[c, i] = of[6 + c]
        x[i, 0] = 1.0
        x[i, 1] = price
        x[i, 2] = price * price
        x[i, 3] = rating
        x[i, 4] = of[2] / 12.0
        if of[4] > 0:
            x[i, 5] = math.exp(min(0.0, of[4] - now_ms) / NOVELTY_MS)
        x[i, 6] = share
        x[i, 7] = 1.0 if share > 0 else 0.0
        if row_slot[row]:
            known = products[row_slot[row] - 1]
            if known[1] > NO_AFFINITY:
                x[i, 8] = math.tanh(known[1] / 3.0)
                x[i, 9] = 1.0
            x[i, 14] = min(known[2], MOST_IN_VAIN) / MOST_IN_VAIN
        x[i, 10] = 1.0 if last_code and code == last_code else 0.0
        x[i, 11] = of[11]
        x[i, 12] = of[12] * share
        x[i, 13] = of[13]
        x[i, 16] = taste
        x[i, 17] = math.sqrt(taste)
        x[i, 18] = visits / (visits + 1.0)
        x[i, 19] = rating * taste
        x[i, 20] = in_vain / (in_vain + HALFWAY_IN_VAIN)
        x[i, 21] = x[i, 20] * taste
        x[i, 22] = dearness
        x[i, 23] = dearness * taste
        if seen:
            x[i, 24] = dearness * usual_dearness
            if row:
                x[i, 15] = -2.0 * abs(price - usual_price)
                x[i, 25] = -abs(dearness - usual_dearness)
    for c in range(len(categories)):
        code_slot[int(categories[c, 0])] = 0
    for p in range(len(products)):
        row_slot[int(products[p, 0])] = 0
    half = round_to_half(x)
    for i in range(n):
        total = own[0, i]
        for j in range(DIMENSION):
            total += x[i, j] * theta[j]
        mean[i] = total
    return half, x, mean, own
