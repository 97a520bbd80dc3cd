"""Joint draws of the expected rewards, and the slate that they give, slot by slot, with exact propensities.

Linear Thompson sampling as in `state/policy/thompson.py`; the mix of draws and floor as in `state/policy/sampled.py`. A ranking
(`state/policy/ranking.py`) is a single draw without chance; softmax (`state/policy/softmax.py`) draws each item by weight. The
twins are `state/kernels/drawing.py` and `slots.py`.
"""

import math
from typing import Any

import numpy as np

from state.feature_set import DIMENSION, Feature
from state.kernels.core.describing import LANES
from state.kernels.core.layout import CANDIDATES, DRAWS, OFF_DRAWS, OFF_MEAN, OPTIMISTIC, SAMPLED, WEIGHTED, WIDTH
from state.kernels.core.memory import carray, core, loose, pointer
from state.kernels.core.offering import CATEGORY_BITS, PERSONAL_BITS, next_random

SIXES = DIMENSION - DIMENSION % 6
"""Features that are taken six at a time, so that sums stay in registers."""
GONE = np.int32(-(2**31))
NONE_IS_LEFT_OUT, PERSONAL_IS_FREE, ALL_IS_FREE = 0, 1, 2
"""Levels of the balance: both caps hold; the personal one is given up; both are."""


@loose
def _spread(s: Any, wide: int, m: int) -> None:
    """What the features make of draw m, in its row."""
    row, t, x = s.draws[m], s.theta[m], s.x
    for i in range(wide):
        row[i] = 0.0
    for j in range(0, SIXES, 6):
        t0, t1, t2, t3, t4, t5 = t[j], t[j + 1], t[j + 2], t[j + 3], t[j + 4], t[j + 5]
        x0, x1, x2, x3, x4, x5 = x[j], x[j + 1], x[j + 2], x[j + 3], x[j + 4], x[j + 5]
        for i in range(wide):
            row[i] += t0 * x0[i] + t1 * x1[i] + t2 * x2[i] + t3 * x3[i] + t4 * x4[i] + t5 * x5[i]
    for j in range(SIXES, DIMENSION):
        for i in range(wide):
            row[i] += t[j] * x[j, i]


@loose
def _expect(s: Any, w: Any, wide: int) -> None:
    """Adds the features' part to the expected rewards."""
    t, x, mean = w.coefficients, s.x, s.mean
    for j in range(0, SIXES, 6):
        t0, t1, t2 = np.float32(t[j]), np.float32(t[j + 1]), np.float32(t[j + 2])
        t3, t4, t5 = np.float32(t[j + 3]), np.float32(t[j + 4]), np.float32(t[j + 5])
        x0, x1, x2, x3, x4, x5 = x[j], x[j + 1], x[j + 2], x[j + 3], x[j + 4], x[j + 5]
        for i in range(wide):
            mean[i] += t0 * x0[i] + t1 * x1[i] + t2 * x2[i] + t3 * x3[i] + t4 * x4[i] + t5 * x5[i]
    for j in range(SIXES, DIMENSION):
        for i in range(wide):
            mean[i] += np.float32(t[j]) * x[j, i]
    for i in range(s.n):
        s.means[i] = mean[i]


@loose
def _boost(s: Any, w: Any, wide: int) -> None:
    """Adds what the shop wants more of to the expected rewards that are chosen by: see `boosts_of` in `balancing.py`."""
    x, newer, rated, viewed = s.x, w.boosts[0], w.boosts[1], w.boosts[2]
    for i in range(wide):
        stars = np.float32(0.5) * (x[Feature.RATING, i] + np.float32(1.0))
        s.mean[i] += newer * x[Feature.NOVELTY, i] + rated * stars + viewed * x[Feature.REGIONAL_POPULARITY, i]


@loose
def _draw_coefficients(s: Any, w: Any, m: int, z: Any) -> None:
    """Draw m of the coefficients about their mean, of `z` (d,) standard normal."""
    theta, root = s.theta[m], w.root
    for j in range(WIDTH):
        theta[j] = 0
    for k in range(0, SIXES, 6):
        z0, z1, z2, z3, z4, z5 = z[k], z[k + 1], z[k + 2], z[k + 3], z[k + 4], z[k + 5]
        r0, r1, r2, r3, r4, r5 = root[k], root[k + 1], root[k + 2], root[k + 3], root[k + 4], root[k + 5]
        for j in range(WIDTH):
            theta[j] += z0 * r0[j] + z1 * r1[j] + z2 * r2[j] + z3 * r3[j] + z4 * r4[j] + z5 * r5[j]
    for k in range(SIXES, DIMENSION):
        for j in range(WIDTH):
            theta[j] += z[k] * root[k, j]


@loose
def _order(key: Any, wide: int) -> None:
    """Float32s, by their bits, as whole numbers of the same order."""
    for i in range(wide):
        of = np.int32(key[i])
        key[i] = np.int32(of ^ np.int32(np.int32(of >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@loose
def _widen(s: Any, w: Any, wide: int) -> None:
    """Puts the width of what is believed of each candidate, √(σ² xᵀ(λI + A)⁻¹x + s²) in the policy's scale, into the first draw."""
    row, total = s.draws[0], s.draws[1]
    for i in range(wide):
        total[i] = s.deviation[i] * s.deviation[i]
    for k in range(DIMENSION):
        for j in range(WIDTH):
            s.theta[0, j] = w.root[k, j]
        _spread(s, wide, 0)
        for i in range(wide):
            total[i] += row[i] * row[i]
    for i in range(wide):
        row[i] = np.float32(math.sqrt(total[i]))


@loose
def _index(s: Any, w: Any) -> None:
    """The one draw of a policy that ranks: the expected rewards, with their widths where it is optimistic."""
    wide = (s.n + LANES - 1) // LANES * LANES
    row = s.draws[0]
    if w.way == OPTIMISTIC:
        _widen(s, w, wide)
    else:
        for i in range(wide):
            row[i] = 0.0
    for i in range(wide):
        row[i] += s.mean[i]
    _order(carray(pointer(s.self_at + OFF_DRAWS), (DRAWS, CANDIDATES), np.int32)[0], wide)


@core
def draw(s: Any, w: Any) -> None:
    """Draw as the policy does, and bring each draw to whole numbers of the same order in place of the float32."""
    if w.way == SAMPLED:
        _sample(s, w)
    elif w.way != WEIGHTED:
        _index(s, w)


@loose
def _sample(s: Any, w: Any) -> None:
    """Posterior draws.

    Of an even number of draws, half are of the coefficients and the other half their reflections about the mean (antithetic
    variates, Hammersley and Morton 1956, "A new Monte Carlo technique: antithetic variates"): each draw has the posterior's
    distribution, and half of them cost no product with the features. A product's own effect is drawn anew in each.
    """
    n = s.n
    wide = (n + LANES - 1) // LANES * LANES
    start = w.normals + 4 * int(next_random(w) * (w.normals_size - w.draws * (DIMENSION + wide)))
    w.normals_used += 1
    shared = carray(pointer(start), (w.draws, DIMENSION), np.float32)
    own = carray(pointer(start + 4 * w.draws * DIMENSION), (w.draws, wide), np.float32)
    mean, deviation = s.mean, s.deviation
    keys = carray(pointer(s.self_at + OFF_DRAWS), (DRAWS, CANDIDATES), np.int32)
    half = w.draws // 2 if w.draws % 2 == 0 else w.draws
    for m in range(half):
        _draw_coefficients(s, w, m, shared[m])
        _spread(s, wide, m)
    for m in range(half):
        row, z = s.draws[m], own[m]
        if half < w.draws:
            other, theirs = s.draws[m + half], own[m + half]
            for i in range(wide):
                other[i] = mean[i] - row[i] + deviation[i] * theirs[i]
            _order(keys[m + half], wide)
        for i in range(wide):
            row[i] = mean[i] + row[i] + deviation[i] * z[i]
        _order(keys[m], wide)


@loose
def expect_and_draw(s: Any, w: Any) -> None:
    """Finish the expected rewards, and draw."""
    wide = (s.n + LANES - 1) // LANES * LANES
    _expect(s, w, wide)
    if w.has_boosts:
        _boost(s, w, wide)
    draw(s, w)


@loose
def _largest(keys: Any, n: int) -> Any:
    """The place of the largest key, the first of equals."""
    most, size = GONE, np.int32(n)
    for i in range(n):
        key = keys[i]
        most = key if key > most else most
    first = size
    for i in range(n):
        here = np.int32(i) if keys[i] == most else size
        first = here if here < first else first
    return int(first)


@core
def _fill(s: Any, w: Any, shown: int, level: int) -> Any:
    """Finds what is eligible; gives up a cap where nothing is. Returns how many there are, and the level."""
    left = 0
    while True:
        for i in range(s.n):
            is_full = level < ALL_IS_FREE and s.codes[i] != 0 and s.above[i] >= w.cap_category
            is_eligible = (
                s.open[i]
                and not is_full
                and not (level < PERSONAL_IS_FREE and s.personal[i] and shown >= w.cap_personal)
            )
            s.eligible[i] = is_eligible
            left += is_eligible
        if left or level == ALL_IS_FREE:
            return left, level
        level += 1


@loose
def _rank(s: Any, wide: int) -> None:
    """The expected rewards as whole numbers of the same order."""
    source = carray(pointer(s.self_at + OFF_MEAN), CANDIDATES, np.int32)
    for i in range(wide):
        s.rank_keys[i] = source[i]
    _order(s.rank_keys, wide)


@core
def _drop_ineligible(s: Any, w: Any, keys: Any) -> None:
    for i in range(s.n):
        if not s.eligible[i]:
            s.rank_keys[i] = GONE
            for m in range(w.draws):
                keys[m, i] = GONE


@core
def _find_firsts(s: Any, w: Any, keys: Any, wide: int) -> None:
    """Finds the best of each draw whose best is no longer eligible."""
    for m in range(w.draws):
        if s.first[m] < 0 or not s.eligible[s.first[m]]:
            s.first[m] = _largest(keys[m], wide)
            s.follow[s.first[m]] += 1


@core
def _weigh(s: Any, w: Any) -> Any:
    """Weighs what is eligible by the exponential of its expected reward; returns the sum, in which the largest is 1."""
    most, total = -np.inf, 0.0
    for i in range(s.n):
        if s.eligible[i]:
            value: Any = np.float64(s.mean[i])
            most = value if value > most else most
    for i in range(s.n):
        s.weight[i] = math.exp((np.float64(s.mean[i]) - most) / w.temperature) if s.eligible[i] else 0.0
        total += s.weight[i]
    return total


@core
def _prefer(s: Any, w: Any, keys: Any, wide: int) -> Any:
    """Finds by how much the policy prefers each of what is eligible, and returns the sum of that."""
    if w.way == WEIGHTED:
        return _weigh(s, w)
    _find_firsts(s, w, keys, wide)
    return float(w.draws)


@core
def _by_weight(s: Any, point: float) -> Any:
    """The item at which the sum of the weights passes the point, the last with any where rounding keeps it from that."""
    last = 0
    for i in range(s.n):
        if s.weight[i] > 0:
            last = i
            point -= s.weight[i]
            if point < 0:
                break
    return last


@core
def _begin(s: Any, w: Any) -> None:
    bits = PERSONAL_BITS | (CATEGORY_BITS if s.n_liked else 0)
    for i in range(s.n):
        s.personal[i] = (bits >> s.sources[i]) & 1
        s.open[i], s.above[i], s.follow[i] = 1, 0, 0
    for m in range(w.draws):
        s.first[m] = -1


@core
def _pick_one(s: Any, w: Any, left: int, total: float) -> Any:
    """The item of the next slot: any eligible one with the floor's probability, else the best of a draw, or one by weight."""
    explores = next_random(w) < w.floor
    u = next_random(w)
    if not explores and w.way == WEIGHTED:
        return _by_weight(s, u * total)
    if not explores:
        return s.first[min(int(u * w.draws), w.draws - 1)]
    nth = min(int(u * left), left - 1)
    for i in range(s.n):
        if s.eligible[i]:
            if nth == 0:
                return i
            nth -= 1
    return 0


@core
def pick(s: Any, w: Any) -> None:
    """Fill the slots."""
    keys = carray(pointer(s.self_at + OFF_DRAWS), (DRAWS, CANDIDATES), np.int32)
    wide = (s.n + LANES - 1) // LANES * LANES
    _begin(s, w)
    _rank(s, wide)
    shown, k = 0, 0
    left, level = _fill(s, w, 0, NONE_IS_LEFT_OUT)
    if left < s.n:
        _drop_ineligible(s, w, keys)
    total = _prefer(s, w, keys, wide) if left else 1.0
    while k < w.slots and left > 0:
        item = _pick_one(s, w, left, total)
        s.chosen[k] = item
        preferred = s.weight[item] if w.way == WEIGHTED else float(s.follow[item])
        s.propensity[k] = (1.0 - w.floor) * preferred / total + w.floor / left
        s.better[k] = item != _largest(s.rank_keys, wide)
        k += 1
        s.open[item], s.eligible[item], s.rank_keys[item] = 0, 0, GONE
        left -= 1
        for m in range(w.draws):
            keys[m, item] = GONE
        code = s.codes[item]
        for i in range(s.n):
            s.above[i] += s.codes[i] == code
        shown += s.personal[item]
        is_capped = (code != 0 and s.above[item] == w.cap_category) or (s.personal[item] and shown == w.cap_personal)
        if left == 0 or is_capped:
            left, level = _fill_again(s, w, keys, wide, shown, level)
        if left:
            total = _prefer(s, w, keys, wide)
    s.k = k


@core
def _fill_again(s: Any, w: Any, keys: Any, wide: int, shown: int, level: int) -> Any:
    """Finds what is eligible after a cap is reached; where a cap is given up, draws anew, as what was not eligible is lost."""
    before = level
    left, level = _fill(s, w, shown, level)
    if level != before:
        draw(s, w)
        _rank(s, wide)
        for i in range(s.n):
            s.follow[i] = 0
        for m in range(w.draws):
            s.first[m] = -1
    _drop_ineligible(s, w, keys)
    return left, level
