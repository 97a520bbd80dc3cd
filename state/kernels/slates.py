"""What the items of a slate are scored for."""

from typing import Any

import numpy as np

from state.kernels.compiled import compiled

SMALLEST_ENGAGEMENT = 0.001
"""Predictions as engagement are clipped to this and 1."""


@compiled
def explain(
    x: Any, theta: Any, reason_of: Any, values: Any, base: float, personal: Any, by_product: int, by_category: int
) -> Any:
    """What each of k items is scored for, (k, 5): the score, then twice a reason and the size of its terms, the largest first.

    `x` (k, d) are the items' features and `theta` (1 or k, d) the models' coefficients, `reason_of` (d,) each feature's reason or
    -1, `values` (k,) the expected rewards; `personal` (2, k) is what affinities add to the `base` weight, by product and by
    category.
    """
    k, d = x.shape
    reasons = reason_of.max() + 1
    out = np.zeros((k, 5))
    terms = np.zeros(reasons)
    for i in range(k):
        product, category = personal[0, i], personal[1, i]
        product -= min(0.0, product + category + base)
        out[i, 0] = min(1.0, max(SMALLEST_ENGAGEMENT, values[i])) * (base + product + category)
        terms[:] = 0.0
        total = 0.0
        coefficients = theta[min(i, len(theta) - 1)]
        for j in range(d):
            part = x[i, j] * coefficients[j]
            if part > 0:
                total += part
                if reason_of[j] >= 0:
                    terms[reason_of[j]] += part
        if total > 0:
            terms *= base / total
        terms[by_product] += max(0.0, product)
        terms[by_category] += max(0.0, category)
        first = _best(terms)
        out[i, 1], out[i, 2] = first, terms[first]
        terms[first] = -1.0
        second = _best(terms)
        out[i, 3], out[i, 4] = second, terms[second]
    return out


@compiled
def _best(values: Any) -> int:
    """The index of the largest value, the first of equals. Two passes, since the first then needs no branches."""
    most = values[0]
    for i in range(1, len(values)):
        most = max(most, values[i])
    for i in range(len(values)):
        if values[i] == most:
            return i
    return 0
