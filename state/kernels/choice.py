"""A choice from candidates to slate: finding them, their features, posterior draws, and the slate that follows the draws."""

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
PRICE_FEATURE, RATING_FEATURE, NOVELTY_FEATURE, POPULARITY_FEATURE = 1, 3, 5, 26
PRICE_REACH, RATING_REACH = 0.6931471805599453 / 8, 0.5
"""How far apart features of two products are that have nothing in common there: a factor of two in price, one star."""
SOURCE_STEPS = 16
"""More than there are sources."""
ANYWHERE = 10
"""The code of candidates that were drawn from all that is held."""
GONE = np.int32(-(2**31))
"""The key of an item that was taken, below that of any number."""


@compiled
def gather(
    offered: Any, pool: Any, usable: Any, excluded: Any, uniforms: Any, anywhere: int, stamp: Any, mark: int
) -> Any:
    """Candidate rows, each once, and the code of the source of each, (2, n): the first of those `offered` (k,), each SOURCE_STEPS
    times its row plus the code of its source, until all but `anywhere` places are taken; then rows of the `pool` drawn with
    `uniforms` (limit,) until there are `limit`; all of the pool where it holds no more than are missing.

    `usable` (rows,) says which rows may be shown, `excluded` which may not all the same. `stamp` (rows,) is scratch, in which
    no row holds `mark`.
    """
    limit = len(uniforms)
    out = np.empty((2, limit), np.int64)
    for row in excluded:
        stamp[row] = mark
    found = 0
    for i in range(len(offered)):
        row = offered[i] // SOURCE_STEPS
        if found < limit - anywhere and stamp[row] != mark and usable[row]:
            stamp[row] = mark
            out[0, found], out[1, found] = row, offered[i] % SOURCE_STEPS
            found += 1
    missing = limit - found
    size = len(pool)
    for i in range(min(missing, size)):
        row = pool[i] if size <= missing else pool[int(uniforms[i] * size)]
        if stamp[row] != mark and usable[row]:
            stamp[row] = mark
            out[0, found], out[1, found] = row, ANYWHERE
            found += 1
    return out[:, :found]


@compiled
def describe(
    rows: Any,
    table: Any,
    categories: Any,
    products: Any,
    now_ms: float,
    last_code: int,
    visits: float,
    told: Any,
    moment: Any,
    code_slot: Any,
    row_slot: Any,
    theta: Any,
) -> Any:
    """Everything that is known of the candidates `rows` (n,) before a policy looks at them.

    Returns their features (d, n) float32, a row for each feature, as float16 holds them; their expected rewards (n,) under `theta`
    (d,) with the own effect of each; and five columns of the table as (5, n): effect, its variance, exposures, rewards and prior.

    `table` (rated, 16) float32 is `Rates.table`, a row in one line of the cache; rows beyond it are taken as row 0.
    `categories` (c, 4) hold the code, share, taste and times in vain of each category that the session knows, `products` (p, 3)
    the row, affinity (NO_AFFINITY where it has none) and times in vain. `told` (t, 3) are row, column and value of features that
    few candidates have, of several values the largest; `moment` (m,) is what the moment says of each category by code. The slots
    are scratch, all zero before and after.
    """
    x, own = _looked_up(rows, table, categories, products, now_ms, last_code, code_slot, row_slot)
    _add_told(x, rows, told, row_slot)
    for i in range(len(rows)):
        row = rows[i]
        code = int(table[row if row < len(table) else 0, 5])
        x[DIMENSION - 1, i] = moment[code] if code < len(moment) else 0.0
    _combine(x, rows, visits, *_usual(products, table))
    round_as_half(x.ravel())
    return x, _expected(x, own[0], theta), own


@compiled
def _looked_up(
    rows: Any, table: Any, categories: Any, products: Any, now_ms: float, last_code: int, code_slot: Any, row_slot: Any
) -> Any:
    """The features that are looked up for each candidate, the others still empty, and the five columns of the table."""
    n, rated = len(rows), len(table)
    x, own = np.empty((DIMENSION, n), np.float32), np.empty((5, n))
    for c in range(len(categories)):
        code_slot[int(categories[c, 0])] = c + 1
    code_slot[0] = 0
    for p in range(len(products)):
        row_slot[int(products[p, 0])] = p + 1
    for i in range(n):
        row = rows[i]
        of = table[row if row < rated else 0]
        code = int(of[5])
        for c in range(5):
            own[c, i] = of[6 + c]
        x[1, i] = of[0]
        x[3, i] = (of[1] - 3.0) / 2.0
        x[4, i] = of[2] / 12.0
        x[5, i] = math.exp(min(0.0, of[4] - now_ms) / NOVELTY_MS) if of[4] > 0 else 0.0
        share, taste, in_vain = 0.0, 0.0, 0.0
        if code_slot[code]:
            known = categories[code_slot[code] - 1]
            share, taste, in_vain = known[1], known[2], known[3]
        x[6, i] = share
        x[16, i] = taste
        x[20, i] = in_vain / (in_vain + HALFWAY_IN_VAIN)
        affinity, is_known, times = 0.0, 0.0, 0.0
        if row_slot[row]:
            of_product = products[row_slot[row] - 1]
            if of_product[1] > NO_AFFINITY:
                affinity, is_known = math.tanh(of_product[1] / 3.0), 1.0
            times = min(of_product[2], MOST_IN_VAIN) / MOST_IN_VAIN
        x[8, i] = affinity
        x[9, i] = is_known
        x[14, i] = times
        x[10, i] = 1.0 if last_code and code == last_code else 0.0
        x[11, i] = of[11]
        x[12, i] = of[12]
        x[13, i] = of[13]
        x[22, i] = of[3]
    for c in range(len(categories)):
        code_slot[int(categories[c, 0])] = 0
    for p in range(len(products)):
        row_slot[int(products[p, 0])] = 0
    return x, own


@compiled
def _add_told(x: Any, rows: Any, told: Any, row_slot: Any) -> None:
    """Sets the features that are told of single rows."""
    for column in range(len(x) - 4, len(x) - 1):
        x[column] = 0.0
    if not len(told):
        return
    for i in range(len(rows)):
        row_slot[rows[i]] = i + 1
    for t in range(len(told)):
        i, column = row_slot[int(told[t, 0])] - 1, int(told[t, 1])
        if i >= 0 and x[column, i] < told[t, 2]:
            x[column, i] = told[t, 2]
    for i in range(len(rows)):
        row_slot[rows[i]] = 0


@compiled
def _usual(products: Any, table: Any) -> Any:
    """Mean price and dearness of the products that the session likes, and how many they are."""
    price, dearness, seen = 0.0, 0.0, 0
    for p in range(len(products)):
        row = int(products[p, 0])
        if products[p, 1] > 0 and row < len(table):
            price += table[row, 0]
            dearness += table[row, 3]
            seen += 1
    return price / max(1, seen), dearness / max(1, seen), seen


@compiled
def _combine(x: Any, rows: Any, visits: float, usual_price: float, usual_dearness: float, seen: int) -> None:
    """The features that follow from those looked up; one loop without branches over all candidates."""
    trust, is_any = np.float32(visits / (visits + 1.0)), np.float32(seen > 0)
    price, dearness = np.float32(usual_price), np.float32(usual_dearness)
    for i in range(len(rows)):
        share, taste = x[6, i], x[16, i]
        is_listed = is_any if rows[i] else np.float32(0.0)
        x[0, i] = 1.0
        x[2, i] = x[1, i] * x[1, i]
        x[7, i] = 1.0 if share > 0 else 0.0
        x[12, i] *= share
        x[15, i] = np.float32(-2.0) * is_listed * abs(x[1, i] - price)
        x[17, i] = np.sqrt(taste)
        x[18, i] = trust
        x[19, i] = x[3, i] * taste
        x[21, i] = x[20, i] * taste
        x[23, i] = x[22, i] * taste
        x[24, i] = is_any * x[22, i] * dearness
        x[25, i] = -is_listed * abs(x[22, i] - dearness)


@compiled
def round_as_half(x: Any) -> None:
    """Rounds `x` (m,) float32 in place to what float16 can hold: to nearest, ties to even, infinity from 65,520 on."""
    for i in range(len(x)):  # below the smallest normal number, 2⁻¹⁴, float16 has multiples of 2⁻²⁴
        steps = np.rint(x[i] * np.float32(16777216.0))
        x[i] = steps * np.float32(2.0**-24) if abs(x[i]) < np.float32(2.0**-14) else x[i]
    all_bits = x.view(np.uint32)
    for i in range(len(x)):
        bits = np.uint32(all_bits[i])
        size = np.uint32(bits & np.uint32(0x7FFFFFFF))
        beyond = np.uint32(0x7F800000) if size <= np.uint32(0x7F800000) else np.uint32(0x7FC00000)
        even = np.uint32((size >> np.uint32(13)) & np.uint32(1))
        near = np.uint32((size + np.uint32(0xFFF) + even) & np.uint32(0xFFFFE000))
        near = beyond if near >= np.uint32(0x47800000) else near
        rounded = np.uint32((bits & np.uint32(0x80000000)) | near)
        all_bits[i] = bits if size < np.uint32(0x38800000) else rounded


@compiled
def _half_bits(x: Any, items: Any) -> Any:
    """The bits in float16 of the columns `items` (k,) of `x` (d, n), which float16 holds: (k, d) uint16."""
    bits = x.view(np.uint32)
    half = np.empty((len(items), len(x)), np.uint16)
    for i in range(len(items)):
        for j in range(len(x)):
            of = bits[j, items[i]]
            sign, size = (of >> 16) & 0x8000, of & 0x7FFFFFFF
            if size < 0x38800000:
                half[i, j] = sign | int(abs(x[j, items[i]]) * 16777216.0)
            elif size < 0x7F800000:
                half[i, j] = sign | ((size - 0x38000000) >> 13)
            else:
                half[i, j] = sign | (0x7C00 if size == 0x7F800000 else 0x7E00)
    return half


@compiled
def _expected(x: Any, effect: Any, theta: Any) -> Any:
    mean = effect.copy()
    for j in range(len(x)):
        for i in range(len(mean)):
            mean[i] += theta[j] * x[j, i]
    return mean


@compiled
def joint_draws(x: Any, mean: Any, own_variance: Any, root: Any, scale: float, z_shared: Any, z_own: Any) -> Any:
    """Joint draws (M, n) float32 of the expected rewards of n candidates: see `Belief.draws`.

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


@compiled
def liken(penalty: Any, item: int, codes: Any, price: Any, rating: Any, weight: float) -> None:
    """Raises `penalty` (n,) float32 in place to what each of n candidates loses for its likeness to `item`, where that is more.

    The second term of maximal marginal relevance (Carbonell and Goldstein 1998, "The use of MMR, diversity-based reranking for
    reordering documents and producing summaries", section 2): `weight` times the largest similarity to any item above. Products of
    different categories, or of an unknown one, have none; within a category it is a half, a quarter more at the same price,
    falling to nothing at twice or half of it, and a quarter more at the same rating, falling to nothing a star apart.

    `codes` (n,) are categories, 0 where unknown; `price` and `rating` (n,) float32 the features of these names.
    """
    for i in range(len(penalty)):
        near_price = max(np.float32(0.0), np.float32(1.0) - abs(price[i] - price[item]) * np.float32(1 / PRICE_REACH))
        near_rating = max(
            np.float32(0.0), np.float32(1.0) - abs(rating[i] - rating[item]) * np.float32(1 / RATING_REACH)
        )
        likeness = np.float32(0.5) + np.float32(0.25) * (near_price + near_rating)
        lost = np.float32(weight) * likeness if codes[i] == codes[item] and codes[item] else np.float32(0.0)
        penalty[i] = max(penalty[i], lost)


@compiled
def boosts_of(x: Any, boosts: Any) -> Any:
    """What `boosts` (3,) for newer, better rated and more viewed products add to each expected reward, (n,) float32.

    By the features (d, n): all of it for what is new today, has five stars, or is the region's most popular; a part for others.
    """
    out = np.empty(x.shape[1], np.float32)
    newer, rated, viewed = np.float32(boosts[0]), np.float32(boosts[1]), np.float32(boosts[2])
    for i in range(len(out)):
        stars = np.float32(0.5) * (x[RATING_FEATURE, i] + np.float32(1.0))
        out[i] = newer * x[NOVELTY_FEATURE, i] + rated * stars + viewed * x[POPULARITY_FEATURE, i]
    return out


@compiled
def _fill(
    eligible: Any, open_: Any, codes: Any, personal: Any, above: Any, shown: int, caps: Any, level: int
) -> tuple[int, int]:
    """Sets which candidates may stand next, (n,), and returns how many, and how far the caps had to be given up for that.

    At level 0 both of the `caps` hold, at 1 only that of a category, at 2 none: see `Balance`. `above` (n,) is how many of the
    candidate's category stand above, `shown` how many personal ones.
    """
    left = 0
    while True:
        for i in range(len(open_)):
            is_full = level < 2 and codes[i] != 0 and above[i] >= caps[0]
            eligible[i] = open_[i] and not is_full and not (level < 1 and personal[i] and shown >= caps[1])
            left += eligible[i]
        if left or level == 2:
            return left, level
        level += 1


@compiled
def _take_keys(keys: Any, row: Any, penalty: Any, eligible: Any, scores: Any, bits: Any) -> None:
    """Sets `keys` (n,) to whole numbers in the order of `row` less `penalty` (n,) float32: the largest of them is found several
    times as fast. What is not eligible is gone. `scores` (n,) float32 is scratch, and `bits` the same bytes as whole numbers."""
    for i in range(len(row)):
        scores[i] = row[i] - penalty[i]
    for i in range(len(row)):
        of = np.int32(bits[i])
        key = of if of >= 0 else np.int32(of ^ np.int32(0x7FFFFFFF))
        keys[i] = key if eligible[i] else GONE


@compiled
def draw_down_draws(
    draws: Any,
    values: Any,
    allowed: Any,
    floor: float,
    uniforms: Any,
    pins: Any,
    codes: Any,
    personal: Any,
    caps: Any,
    weight: float,
    price: Any,
    rating: Any,
) -> Any:
    """A slate by posterior draws, slot by slot: see `SampledDecision.choose`.

    `draws` (M, n) are joint draws, `values` (n,) what the policy expects, `allowed` (n,) what may be shown, `uniforms` (2, slots),
    `pins` (slots,) the candidate that must stand there or -1, none of them allowed elsewhere. The others are a `Balance`.
    Returns (3, k): the items, their propensities, and 1 where another was left that is better by value; k ≤ slots.
    """
    count, n = draws.shape
    open_, eligible, above = allowed.copy(), np.empty(n, np.bool_), np.zeros(n, np.int64)
    penalty, ranked = np.zeros(n, np.float32), np.empty(n, np.int32)
    expected, keys = values.astype(np.float32), np.empty((count, n), np.int32)
    first, followers = np.empty(count, np.int64), np.zeros(n, np.int64)
    scratch = np.empty(n, np.float32)
    bits = scratch.view(np.int32)
    shown, is_stale = 0, True
    left, level = _fill(eligible, open_, codes, personal, above, shown, caps, 0)
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
                _take_keys(ranked, expected, penalty, eligible, scratch, bits)
                followers[:] = 0
                for m in range(count):
                    _take_keys(keys[m], draws[m], penalty, eligible, scratch, bits)
                    first[m] = _largest(keys[m])
                    followers[first[m]] += 1
            explores = uniforms[0, slot] < floor
            item = _nth(eligible, int(uniforms[1, slot] * left)) if explores else first[int(uniforms[1, slot] * count)]
            out[0, slot] = item
            out[1, slot] = (1.0 - floor) * followers[item] / count + floor / left
            out[2, slot] = item != _largest(ranked)
            open_[item], eligible[item] = False, False
            left -= 1
        for i in range(n):
            above[i] += codes[i] == codes[item]
        shown += personal[item]
        closes = codes[item] != 0 and above[item] == caps[0]
        if left == 0 or closes or (personal[item] and shown == caps[1]):
            left, level = _fill(eligible, open_, codes, personal, above, shown, caps, level)
            is_stale = True
        if weight > 0:
            liken(penalty, item, codes, price, rating, weight)
            is_stale = True
        if not is_stale and pins[slot] < 0:
            ranked[item] = GONE
            keys[:, item] = GONE
            if followers[item] and left:
                for m in range(count):
                    if first[m] == item:
                        first[m] = _largest(keys[m])
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
    codes: Any,
    personal: Any,
    caps: Any,
    weight: float,
    price: Any,
    rating: Any,
) -> Any:
    """A slate in which each item is drawn in proportion to exp(score/temperature), see `SoftmaxDecision.favour`; at temperature 0
    the best by score, the first of equals, see `RankedDecision.favour`.

    `scores` (n,) are what the policy goes by, `values` (n,) what it expects; all else as in `draw_down_draws`, and so is what is
    returned.
    """
    n = len(scores)
    open_, eligible, above = allowed.copy(), np.empty(n, np.bool_), np.zeros(n, np.int64)
    penalty, weights = np.zeros(n, np.float32), np.empty(n)
    shown = 0
    left, level = _fill(eligible, open_, codes, personal, above, shown, caps, 0)
    out = np.empty((3, uniforms.shape[1]))
    for slot in range(uniforms.shape[1]):
        item = pins[slot]
        if item >= 0:
            out[0, slot], out[1, slot], out[2, slot] = item, 1.0, 0.0
        elif left == 0:
            return out[:, :slot]
        else:
            best, most_valued = _best(scores, penalty, eligible), _best(values, penalty, eligible)
            total = 0.0
            for i in range(n):
                weights[i] = 0.0
                if eligible[i] and (temperature > 0 or i == best):
                    lag = (scores[i] - penalty[i]) - (scores[best] - penalty[best])
                    weights[i] = math.exp(lag / temperature) if temperature > 0 else 1.0
                total += weights[i]
            explores = uniforms[0, slot] < floor
            item = _nth(eligible, int(uniforms[1, slot] * left)) if explores else -1
            if item < 0:
                item = _by_weight(weights, uniforms[1, slot] * total, best)
            out[0, slot] = item
            out[1, slot] = (1.0 - floor) * weights[item] / total + floor / left
            out[2, slot] = item != most_valued
            open_[item], eligible[item] = False, False
            left -= 1
        for i in range(n):
            above[i] += codes[i] == codes[item]
        shown += personal[item]
        closes = codes[item] != 0 and above[item] == caps[0]
        if left == 0 or closes or (personal[item] and shown == caps[1]):
            left, level = _fill(eligible, open_, codes, personal, above, shown, caps, level)
        if weight > 0:
            liken(penalty, item, codes, price, rating, weight)
    return out


@compiled
def _best(numbers: Any, penalty: Any, eligible: Any) -> int:
    """The eligible index of the largest number less its penalty, the first of equals."""
    best = -1
    for i in range(len(numbers)):
        if eligible[i] and (best < 0 or numbers[i] - penalty[i] > numbers[best] - penalty[best]):
            best = i
    return best


@compiled
def _by_weight(weights: Any, point: float, best: int) -> int:
    """The index at which the running sum of the `weights` passes the point; `best` where rounding keeps it from that."""
    for i in range(len(weights)):
        point -= weights[i]
        if point < 0:
            return i
    return best


@compiled
def thompson_slate(
    offered: Any,
    pool: Any,
    usable: Any,
    excluded: Any,
    anywhere: int,
    stamp: Any,
    mark: int,
    table: Any,
    categories: Any,
    products: Any,
    now_ms: float,
    last_code: int,
    visits: float,
    told: Any,
    moment: Any,
    code_slot: Any,
    row_slot: Any,
    theta: Any,
    root: Any,
    scale: float,
    floor: float,
    uniforms: Any,
    limit: int,
    normals: Any,
    draws: int,
    category: Any,
    personal: Any,
    caps: Any,
    weight: float,
    boosts: Any,
) -> Any:
    """All of the above at once, for linear Thompson sampling where none of the shop's rules interferes.

    `uniforms` (limit + 2 slots,) and `normals` (draws (d + limit),) are random; `category` (rows,) holds the rows' categories and
    `personal` (sources,) whether what comes from a source is personal; all else is as in the functions above. Returns the
    items' rows and the codes of their sources (2, k), (3, k) their propensities, 1 where another was better by value, and their
    expected rewards, and their features as bits of float16 (k, d).
    """
    gathered = gather(offered, pool, usable, excluded, uniforms[:limit], anywhere, stamp, mark)
    rows = gathered[0]
    n = len(rows)
    x, mean, known = describe(
        rows, table, categories, products, now_ms, last_code, visits, told, moment, code_slot, row_slot, theta
    )
    shared = draws * DIMENSION
    z_shared = normals[:shared].reshape(draws, DIMENSION)
    z_own = normals[shared : shared + draws * n].reshape(draws, n)
    drawn = joint_draws(x, mean, known[1], root, scale, z_shared, z_own)
    values = mean.copy()
    if boosts[0] > 0 or boosts[1] > 0 or boosts[2] > 0:
        boost = boosts_of(x, boosts)
        values += boost
        drawn += boost
    chances = uniforms[limit:].reshape(2, -1)
    pins, codes, everything = np.full(chances.shape[1], -1), category[rows], np.ones(n, np.bool_)
    price, rating = x[PRICE_FEATURE], x[RATING_FEATURE]
    found = draw_down_draws(
        drawn, values, everything, floor, chances, pins, codes, personal[gathered[1]], caps, weight, price, rating
    )
    items = found[0].astype(np.int64)
    of_items = np.empty((3, len(items)))
    chosen = np.empty((2, len(items)), np.int64)
    for slot in range(len(items)):
        item = items[slot]
        chosen[0, slot], chosen[1, slot] = rows[item], gathered[1, item]
        of_items[0, slot], of_items[1, slot], of_items[2, slot] = found[1, slot], found[2, slot], mean[item]
    return chosen, of_items, _half_bits(x, items)


@compiled
def _largest(keys: Any) -> int:
    """The index of the largest key, the first of equals. Two passes, since the first then needs no branches."""
    most = GONE
    for i in range(len(keys)):
        key = keys[i]
        most = key if key > most else most
    for i in range(len(keys)):
        if keys[i] == most:
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
