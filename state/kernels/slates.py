"""Posterior draws, and the slates that follow them."""

import math
from typing import Any

import numpy as np

from state.kernels.compiled import compiled


@compiled
def joint_draws(
    x: Any, mean: Any, own_variance: Any, whitener: Any, noise: float, scale: float, z_shared: Any, z_own: Any
) -> Any:
    """Joint draws (M, n) float32 of the expected rewards of n candidates: see `Belief.draws`.

    `x` (n, d), `mean` and `own_variance` (n,), `whitener` (d, d) and `noise` are a belief's; `scale` multiplies all standard
    deviations. `z_shared` (M, d) and `z_own` (M, n) are standard normal.
    """
    n, d = x.shape
    count = len(z_shared)
    turned, deviation, centre = np.empty((d, n), np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
    for i in range(n):
        deviation[i] = scale * math.sqrt(own_variance[i])
        centre[i] = mean[i]
        for j in range(d):
            turned[j, i] = x[i, j]
    root = np.empty((d, d), np.float32)
    sigma = scale * math.sqrt(noise)
    for k in range(d):
        for j in range(d):
            root[j, k] = sigma * whitener[k, j]
    draws = np.empty((count, n), np.float32)
    theta = np.empty(d, np.float32)
    for m in range(count):
        theta[:] = 0
        for j in range(d):
            z = z_shared[m, j]
            for k in range(d):
                theta[k] += z * root[j, k]
        row = draws[m]
        for i in range(n):
            row[i] = centre[i] + deviation[i] * z_own[m, i]
        for k in range(d):
            t = theta[k]
            for i in range(n):
                row[i] += t * turned[k, i]
    return draws


@compiled
def draw_down_draws(draws: Any, values: Any, allowed: Any, floor: float, uniforms: Any) -> Any:
    """A slate by posterior draws, slot by slot: see `SampledDecision.choose`.

    `draws` (M, n) are joint draws, `values` (n,) what the policy expects, `allowed` (n,) what may be shown, `uniforms` (2, slots).
    Returns (3, k): the items, their propensities, and 1 where another was left that is better by value; k ≤ slots.
    """
    count, n = draws.shape
    open_ = allowed.copy()
    draws, values = draws.copy(), values.copy()
    left = 0
    for i in range(n):
        if open_[i]:
            left += 1
        else:
            draws[:, i] = -np.inf
            values[i] = -np.inf
    slots = min(uniforms.shape[1], left)
    first = np.empty(count, np.int64)
    followers = np.zeros(n, np.int64)
    for m in range(count):
        first[m] = _best(draws[m])
        followers[first[m]] += 1
    out = np.empty((3, slots))
    for slot in range(slots):
        explores = uniforms[0, slot] < floor
        item = _nth(open_, int(uniforms[1, slot] * left)) if explores else first[int(uniforms[1, slot] * count)]
        out[0, slot] = item
        out[1, slot] = (1.0 - floor) * followers[item] / count + floor / left
        out[2, slot] = item != _best(values)
        open_[item] = False
        left -= 1
        values[item] = -np.inf
        draws[:, item] = -np.inf
        if followers[item] and left:
            for m in range(count):
                if first[m] == item:
                    first[m] = _best(draws[m])
                    followers[first[m]] += 1
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


@compiled
def _nth(open_: Any, nth: int) -> int:
    """The open index that has `nth` open ones before it."""
    for i in range(len(open_)):
        if open_[i]:
            if nth == 0:
                return i
            nth -= 1
    return -1
