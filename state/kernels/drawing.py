"""Joint draws from a posterior."""

import math
from typing import Any

import numpy as np

from state.kernels.compiled import compiled


@compiled
def joint_draws(x: Any, mean: Any, own_variance: Any, root: Any, scale: float, z_shared: Any, z_own: Any) -> Any:
    """Return joint draws (M, n) float32 of the expected rewards of n candidates: see `Belief.draws`.

    `x` (d, n), `mean` and `own_variance` (n,) are a belief's, `root` (d, d) float32 is σ·scale times its whitener, transposed.
    `scale` multiplies all standard deviations. `z_shared` (M, d) and `z_own` (M, n) are standard normal.
    """
    d, n = x.shape
    deviation, centre = np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(n):
        deviation[i] = scale * math.sqrt(own_variance[i])
        centre[i] = mean[i]
    draws = np.empty((len(z_own), n), np.float32)
    theta = np.empty(d, np.float32)
    for m in range(len(z_own)):
        theta[:] = 0
        _add_rows(theta, z_shared[m], root)
        row = draws[m]
        for i in range(n):
            row[i] = centre[i] + deviation[i] * z_own[m, i]
        _add_rows(row, theta, x)
    return draws


@compiled
def _add_rows(out: Any, weights: Any, rows: Any) -> None:
    """Adds to `out` (n,) the weighted sum of the `rows` (d, n), four at a time."""
    k = 0
    while k + 4 <= len(weights):
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        row0, row1, row2, row3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
        for i in range(len(out)):
            out[i] += w0 * row0[i] + w1 * row1[i] + w2 * row2[i] + w3 * row3[i]
        k += 4
    if k + 2 <= len(weights):
        w0, w1, row0, row1 = weights[k], weights[k + 1], rows[k], rows[k + 1]
        for i in range(len(out)):
            out[i] += w0 * row0[i] + w1 * row1[i]
        k += 2
    if k < len(weights):
        for i in range(len(out)):
            out[i] += weights[k] * rows[k, i]
