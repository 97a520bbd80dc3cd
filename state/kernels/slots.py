"""A slate slot by slot: each item is drawn from what may stand below the items above it."""

import math
from typing import Any

import numpy as np

from state.kernels.balancing import closes_others, liken, open_next
from state.kernels.compiled import compiled
from state.kernels.ranking import GONE, best_of, drawn_by_weight, largest, nth_of, set_keys


@compiled
def draw_down_draws(
    draws: Any,
    values: Any,
    allowed: Any,
    floor: float,
    uniforms: Any,
    pins: Any,
    balance: Any,
) -> Any:
    """Return a slate by posterior draws, slot by slot: see `SampledDecision.choose`.

    `draws` (M, n) are joint draws, `values` (n,) what the policy expects, `allowed` (n,) what may be shown, `uniforms` (2, slots),
    `pins` (slots,) the candidate that must stand there or -1, none of them allowed elsewhere. `balance` is a `Balance`.
    Returns (3, k): the items, their propensities, and 1 where another was left that is better by value; k ≤ slots.
    """
    count, n = draws.shape
    codes, personal = balance.codes, balance.personal
    open_, eligible, above = allowed.copy(), np.empty(n, np.bool_), np.zeros(n, np.int64)
    penalty, ranked = np.zeros(n, np.float32), np.empty(n, np.int32)
    expected, keys = values.astype(np.float32), np.empty((count, n), np.int32)
    first, followers = np.empty(count, np.int64), np.zeros(n, np.int64)
    scratch = np.empty(n, np.float32)
    bits = scratch.view(np.int32)
    shown, is_stale = 0, True
    left, level = open_next(eligible, open_, balance, above, shown, 0)
    out = np.empty((3, uniforms.shape[1]))
    for slot in range(uniforms.shape[1]):
        item = pins[slot]
        if item >= 0:
            out[0, slot], out[1, slot], out[2, slot] = item, 1.0, 0.0
        elif left == 0:
            return out[:, :slot]
        else:
            if is_stale:
                is_stale = False
                set_keys(ranked, expected, penalty, eligible, scratch, bits)
                followers[:] = 0
                for m in range(count):
                    set_keys(keys[m], draws[m], penalty, eligible, scratch, bits)
                    first[m] = largest(keys[m])
                    followers[first[m]] += 1
            explores = uniforms[0, slot] < floor
            item = (
                nth_of(eligible, int(uniforms[1, slot] * left)) if explores else first[int(uniforms[1, slot] * count)]
            )
            out[0, slot] = item
            out[1, slot] = (1.0 - floor) * followers[item] / count + floor / left
            out[2, slot] = item != largest(ranked)
            open_[item], eligible[item] = False, False
            left -= 1
        for i in range(n):
            above[i] += codes[i] == codes[item]
        shown += personal[item]
        if left == 0 or closes_others(balance, item, above, shown):
            before = level
            left, level = open_next(eligible, open_, balance, above, shown, level)
            is_stale = is_stale or level != before
            for i in range(n if not is_stale else 0):
                if not eligible[i]:
                    ranked[i] = GONE
                    keys[:, i] = GONE
        if balance.weight > 0:
            liken(penalty, item, balance)
            is_stale = True
        if not is_stale and pins[slot] < 0:
            ranked[item] = GONE
            keys[:, item] = GONE
        for m in range(count if left and not is_stale else 0):
            if not eligible[first[m]]:
                first[m] = largest(keys[m])
                followers[first[m]] += 1
    return out


@compiled
def draw_down_scores(
    scores: Any,
    values: Any,
    temperature: float,
    allowed: Any,
    floor: float,
    uniforms: Any,
    pins: Any,
    balance: Any,
) -> Any:
    """Return a slate in which each item is drawn in proportion to exp(score/temperature), see `SoftmaxDecision.favour`; at
    temperature 0 the best by score, the first of equals, see `RankedDecision.favour`.

    `scores` (n,) are what the policy goes by, `values` (n,) what it expects; all else as in `draw_down_draws`, and so is what is
    returned.
    """
    n, codes, personal = len(scores), balance.codes, balance.personal
    open_, eligible, above = allowed.copy(), np.empty(n, np.bool_), np.zeros(n, np.int64)
    penalty, weights = np.zeros(n, np.float32), np.empty(n)
    shown = 0
    left, level = open_next(eligible, open_, balance, above, shown, 0)
    out = np.empty((3, uniforms.shape[1]))
    for slot in range(uniforms.shape[1]):
        item = pins[slot]
        if item >= 0:
            out[0, slot], out[1, slot], out[2, slot] = item, 1.0, 0.0
        elif left == 0:
            return out[:, :slot]
        else:
            best, most_valued = best_of(scores, penalty, eligible), best_of(values, penalty, eligible)
            total = 0.0
            for i in range(n):
                weights[i] = 0.0
                if eligible[i] and (temperature > 0 or i == best):
                    lag = (scores[i] - penalty[i]) - (scores[best] - penalty[best])
                    weights[i] = math.exp(lag / temperature) if temperature > 0 else 1.0
                total += weights[i]
            explores = uniforms[0, slot] < floor
            item = nth_of(eligible, int(uniforms[1, slot] * left)) if explores else -1
            if item < 0:
                item = drawn_by_weight(weights, uniforms[1, slot] * total, best)
            out[0, slot] = item
            out[1, slot] = (1.0 - floor) * weights[item] / total + floor / left
            out[2, slot] = item != most_valued
            open_[item], eligible[item] = False, False
            left -= 1
        for i in range(n):
            above[i] += codes[i] == codes[item]
        shown += personal[item]
        if left == 0 or closes_others(balance, item, above, shown):
            left, level = open_next(eligible, open_, balance, above, shown, level)
        if balance.weight > 0:
            liken(penalty, item, balance)
    return out
