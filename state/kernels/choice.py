"""A choice from candidates to slate: finding them, their features, posterior draws, and the slate that follows the draws."""

import math
from typing import Any

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

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
MARK_STEPS = 4_096
"""More than there are candidates of a choice, by which the marks of two choices differ."""
EXCLUDED = MARK_STEPS - 1
"""What is added to a choice's mark for a row that must not be shown."""
LIST_HEAD = 5
"""Numbers before a list's rows, see `Offers.lists`."""
ANYWHERE = 10
"""The code of candidates that were drawn from all that is held."""
GONE = np.int32(-(2**31))
"""The key of an item that was taken, below that of any number."""


@intrinsic  # type: ignore[untyped-decorator]
def _pointer(context: Any, address: Any) -> Any:
    """The pointer to an address: what does not change from call to call is passed by its address, since to unpack an array takes
    longer than many a loop over one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


@compiled
def gather(
    lists: Any, pool: Any, usable: Any, excluded: Any, uniforms: Any, anywhere: int, stamp: Any, mark: int
) -> Any:
    """Candidate rows, each once, and the code of the source of each, (2, n): the first of the `lists` until all but `anywhere`
    places are taken; then rows of the `pool` drawn with `uniforms` (limit,) until there are `limit`; all of the pool where it holds
    no more than are missing.

    `lists` (float64) are the sources' lists of rows in the order of preference, in the form of `Offers.lists`. `usable` (rows,)
    says which rows may be shown, `excluded` which may not all the same. `stamp` (rows,) is scratch, in which no row holds `mark` or
    more; afterwards the i-th candidate's holds mark + i.
    """
    limit = len(uniforms)
    out = np.empty((2, limit), np.int64)
    for row in excluded:
        stamp[int(row)] = mark + EXCLUDED
    found = _take_lists(out, lists, limit - anywhere, usable, stamp, mark)
    missing = limit - found
    size = len(pool)
    for i in range(min(missing, size)):
        row = pool[i] if size <= missing else pool[int(uniforms[i] * size)]
        found = _take(out, found, row, ANYWHERE, usable, stamp, mark)
    return out[:, :found]


@compiled
def _take_lists(out: Any, lists: Any, most: int, usable: Any, stamp: Any, mark: int) -> int:
    """Takes rows of the lists, at most so many; returns how many."""
    found = at = 0
    while at < len(lists) and found < most:
        source, wanted, count, size = int(lists[at]), int(lists[at + 1]), int(lists[at + 3]), int(lists[at + 4])
        at += LIST_HEAD
        if count == 0:
            for i in range(min(size, wanted)):
                if found < most:
                    found = _take(out, found, int(lists[at + i]), source, usable, stamp, mark)
            at += size
        for turn in range(size if count else 0):
            for entry in range(at, at + 3 * count, 3):
                if turn < lists[entry + 2] and wanted > 0 and found < most:
                    wanted -= 1
                    row = carray(_pointer(int(lists[entry])), turn + 1, np.int64)[turn]
                    found = _take(out, found, row, source, usable, stamp, mark)
            if wanted <= 0 or found == most:
                break
        at += 3 * count
    return found


@compiled
def _take(out: Any, found: int, row: int, source: int, usable: Any, stamp: Any, mark: int) -> int:
    """Takes a row where it may be shown and was not taken; returns how many there are then."""
    if stamp[row] >= mark or not usable[row]:
        return found
    stamp[row] = mark + found
    out[0, found], out[1, found] = row, source
    return found + 1


@compiled
def describe(
    rows: Any,
    table: Any,
    categories: Any,
    products: Any,
    now_ms: float,
    last_code: int,
    visits: float,
    lists: Any,
    moment: Any,
    code_slot: Any,
    stamp: Any,
    mark: int,
    theta: Any,
) -> Any:
    """Everything that is known of the candidates `rows` (n,) before a policy looks at them.

    Returns their features (d, n) float32, a row for each feature, as float16 holds them; their expected rewards (n,) under `theta`
    (d,) with the own effect of each; and five columns of the table as (5, n): effect, its variance, exposures, rewards and prior.

    `table` (rated, 16) float32 is `Rates.table`, a row in one line of the cache; rows beyond it are taken as row 0.
    `categories` (c, 4) hold the code, share, taste and times in vain of each category that the session knows, `products` (p, 3)
    the row, affinity (NO_AFFINITY where it has none) and times in vain. `lists` tell features that few candidates have, of several
    values the largest counts; `moment` (m,) is what the moment says of each category by code. `code_slot` is scratch, all zero
    before and after, and so is `stamp` as in `gather`, where those of the candidates may be set already.
    """
    n = len(rows)
    for i in range(n):
        stamp[rows[i]] = mark + i
    x, own = _looked_up(rows, table, categories, now_ms, last_code, moment, code_slot)
    for p in range(len(products)):
        i = stamp[int(products[p, 0])] - mark
        if 0 <= i < n:
            if products[p, 1] > NO_AFFINITY:
                x[8, i], x[9, i] = math.tanh(products[p, 1] / 3.0), 1.0
            x[14, i] = min(products[p, 2], MOST_IN_VAIN) / MOST_IN_VAIN
    _add_told(x, lists, stamp, mark)
    _combine(x, rows, visits, *_usual(products, table))
    round_as_half(x.ravel())
    return x, _expected(x, own[0], theta), own


@compiled
def _looked_up(
    rows: Any, table: Any, categories: Any, now_ms: float, last_code: int, moment: Any, code_slot: Any
) -> Any:
    """The features that are looked up for each candidate, 0 for those of single products, the others still empty, and the five
    columns of the table."""
    n, rated = len(rows), len(table)
    x, own = np.empty((DIMENSION, n), np.float32), np.empty((5, n))
    for column in (8, 9, 14, DIMENSION - 4, DIMENSION - 3, DIMENSION - 2):
        x[column] = 0.0
    for c in range(len(categories)):
        code_slot[int(categories[c, 0])] = c + 1
    code_slot[0] = 0
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
        x[10, i] = 1.0 if last_code and code == last_code else 0.0
        x[11, i] = of[11]
        x[12, i] = of[12]
        x[13, i] = of[13]
        x[22, i] = of[3]
        x[DIMENSION - 1, i] = moment[code] if code < len(moment) else 0.0
    for c in range(len(categories)):
        code_slot[int(categories[c, 0])] = 0
    return x, own


@compiled
def _add_told(x: Any, lists: Any, stamp: Any, mark: int) -> None:
    """Sets the features that lists tell of their rows."""
    n, at = x.shape[1], 0
    while at < len(lists):
        column, count, size = int(lists[at + 2]), int(lists[at + 3]), int(lists[at + 4])
        at += LIST_HEAD
        for entry in range(at, at + 3 * count if column >= 0 else at, 3):
            length = int(lists[entry + 2])
            rows = carray(_pointer(int(lists[entry])), length, np.int64)
            values = carray(_pointer(int(lists[entry + 1])), length, np.float64)
            for t in range(length):
                i = stamp[rows[t]] - mark
                if 0 <= i < n and x[column, i] < values[t]:
                    x[column, i] = values[t]
        at += 3 * count if count else size


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
            before = level
            left, level = _fill(eligible, open_, codes, personal, above, shown, caps, level)
            is_stale = is_stale or level != before
            for i in range(n if not is_stale else 0):
                if not eligible[i]:
                    ranked[i] = GONE
                    keys[:, i] = GONE
        if weight > 0:
            liken(penalty, item, codes, price, rating, weight)
            is_stale = True
        if not is_stale and pins[slot] < 0:
            ranked[item] = GONE
            keys[:, item] = GONE
        for m in range(count if left and not is_stale else 0):
            if not eligible[first[m]]:
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


# What `thompson_slate` finds in its first argument: addresses, sizes and numbers that are the same for many slates. ROWS and CODES
# are the lengths of the catalogue's columns and of `code_slot`; the names are what they are in the functions above.
(
    TABLE,
    RATED,
    CATEGORY,
    USABLE,
    STAMP,
    ROWS,
    CODE_SLOT,
    CODES,
    POOL,
    POOL_SIZE,
    THETA,
    ROOT,
    DRAWS,
    SLOTS,
    CAPS,
    NUMBERS,
    PRODUCT_NAMES,
    CATEGORY_NAMES,
    CHOSEN,
    OUT,
) = range(20)
FIXED_SIZE = 20
# What it finds at the head of its second argument.
(
    NOW_MS,
    LAST_CODE,
    VISITS,
    ANYWHERE_PLACES,
    LIMIT,
    PERSONAL,
    MOMENT,
    MOMENT_SIZE,
    UNIFORMS,
    NORMALS,
    MARK,
    CATEGORIES_KNOWN,
    PRODUCTS_KNOWN,
    EXCLUDED_ROWS,
    LISTS_SIZE,
) = range(15)
ASKED_HEAD = 15
NAME_BYTES = 64
"""Of a name, with its length in the first."""
UNNAMED = 255
"""In place of the length of a name that is not held: it is too long, or JSON writes it otherwise."""


@compiled
def thompson_slate(fixed: Any, asked_at: int) -> int:
    """All of the above at once, for linear Thompson sampling where none of the shop's rules interferes.

    `fixed` (int64) holds what is the same for many slates: addresses of the catalogue's columns, of the model, of `numbers`
    (scale, floor, weight and the three boosts), and of `out`. `asked_at` is the address of what the session brings, float64: a
    head, then categories (c, 4), products (p, 3), excluded rows, and lists as in `gather` and `describe`. `uniforms`
    (limit + 2 slots,) and `normals` (draws (d + limit),) are random; bit s of `personal` is set where what comes from source s is
    personal.

    Writes to `out` (uint8) a slate's k items as MessagePack: names of the products, of their categories, propensities, whether
    another was better by value, codes of sources (k bytes), features (k × d float16) and expected rewards (k float64); and to
    `chosen` the items' rows. Returns the length, negative where a name is not held; an empty one stands for it.
    """
    asked = carray(_pointer(asked_at), ASKED_HEAD, np.float64)
    end = int(
        ASKED_HEAD + 4 * asked[CATEGORIES_KNOWN] + 3 * asked[PRODUCTS_KNOWN] + asked[EXCLUDED_ROWS] + asked[LISTS_SIZE]
    )
    asked = carray(_pointer(asked_at), end, np.float64)
    lists = asked[end - int(asked[LISTS_SIZE]) :]
    rows, sources, x, mean, own = _considered(fixed, asked, lists)
    n, limit, draws, slots = len(rows), int(asked[LIMIT]), fixed[DRAWS], fixed[SLOTS]
    numbers = carray(_pointer(fixed[NUMBERS]), 6, np.float64)
    scale, floor, weight, boosts = numbers[0], numbers[1], numbers[2], numbers[3:]
    shared = draws * DIMENSION
    normals = carray(_pointer(int(asked[NORMALS])), shared + draws * n, np.float32)
    root = carray(_pointer(fixed[ROOT]), (DIMENSION, DIMENSION), np.float32)
    z_shared, z_own = normals[:shared].reshape(draws, DIMENSION), normals[shared:].reshape(draws, n)
    drawn = joint_draws(x, mean, own[1], root, scale, z_shared, z_own)
    values = mean.copy()
    if boosts[0] > 0 or boosts[1] > 0 or boosts[2] > 0:
        boost = boosts_of(x, boosts)
        values += boost
        drawn += boost
    chances = carray(_pointer(int(asked[UNIFORMS])), limit + 2 * slots, np.float64)[limit:].reshape(2, slots)
    pins, everything = np.full(slots, -1), np.ones(n, np.bool_)
    codes, personal = carray(_pointer(fixed[CATEGORY]), fixed[ROWS], np.int64)[rows], np.empty(n, np.bool_)
    for i in range(n):
        personal[i] = int(asked[PERSONAL]) >> sources[i] & 1
    caps, price, rating = carray(_pointer(fixed[CAPS]), 2, np.int64), x[PRICE_FEATURE], x[RATING_FEATURE]
    found = draw_down_draws(
        drawn, values, everything, floor, chances, pins, codes, personal, caps, weight, price, rating
    )
    return _write_slate(fixed, rows, sources, codes, x, mean, found)


@compiled
def _considered(fixed: Any, asked: Any, lists: Any) -> Any:
    """The candidates' rows and sources, and all that `describe` returns of them."""
    c, p = int(asked[CATEGORIES_KNOWN]), int(asked[PRODUCTS_KNOWN])
    rows, mark, limit = fixed[ROWS], int(asked[MARK]), int(asked[LIMIT])
    stamp = carray(_pointer(fixed[STAMP]), rows, np.int64)
    of_products = ASKED_HEAD + 4 * c
    of_excluded = of_products + 3 * p
    gathered = gather(
        lists,
        carray(_pointer(fixed[POOL]), fixed[POOL_SIZE], np.int64),
        carray(_pointer(fixed[USABLE]), rows, np.bool_),
        asked[of_excluded : of_excluded + int(asked[EXCLUDED_ROWS])],
        carray(_pointer(int(asked[UNIFORMS])), limit, np.float64),
        int(asked[ANYWHERE_PLACES]),
        stamp,
        mark,
    )
    x, mean, own = describe(
        gathered[0],
        carray(_pointer(fixed[TABLE]), (fixed[RATED], 16), np.float32),
        asked[ASKED_HEAD:of_products].reshape(c, 4),
        asked[of_products:of_excluded].reshape(p, 3),
        asked[NOW_MS],
        int(asked[LAST_CODE]),
        asked[VISITS],
        lists,
        carray(_pointer(int(asked[MOMENT])), int(asked[MOMENT_SIZE]), np.float64),
        carray(_pointer(fixed[CODE_SLOT]), fixed[CODES], np.int64),
        stamp,
        mark,
        carray(_pointer(fixed[THETA]), DIMENSION, np.float64),
    )
    return gathered[0], gathered[1], x, mean, own


@compiled
def _write_slate(fixed: Any, rows: Any, sources: Any, codes: Any, x: Any, mean: Any, found: Any) -> int:
    """Writes a slate as `thompson_slate` says."""
    k = found.shape[1]
    chosen = carray(_pointer(fixed[CHOSEN]), fixed[SLOTS], np.int64)
    out = carray(_pointer(fixed[OUT]), slate_bytes(fixed[SLOTS]), np.uint8)
    items, of_items, expected = found[0].astype(np.int64), np.empty(k, np.int64), np.empty(k)
    for i in range(k):
        chosen[i], of_items[i], expected[i] = rows[items[i]], codes[items[i]], mean[items[i]]
    out[0] = 0x90 | 7  # an array of seven
    at, is_named = _put_names(out, 1, fixed[PRODUCT_NAMES], chosen[:k])
    at, are_named = _put_names(out, at, fixed[CATEGORY_NAMES], of_items)
    at = _put_head(out, at, 0xDC, k)
    bits = found[1].view(np.uint64)
    for i in range(k):
        out[at] = 0xCB
        for byte in range(8):
            out[at + 1 + byte] = bits[i] >> np.uint64(56 - 8 * byte)
        at += 9
    at = _put_head(out, at, 0xDC, k)
    for i in range(k):
        out[at + i] = 0xC3 if found[2, i] > 0 else 0xC2
    at = _put_head(out, at + k, 0xC5, k)
    for i in range(k):
        out[at + i] = sources[items[i]]
    at = _put_bytes(out, at + k, _half_bits(x, items).ravel().view(np.uint8))
    at = _put_bytes(out, at, expected.view(np.uint8))
    return at if is_named and are_named else -at


@compiled
def slate_bytes(slots: int) -> int:
    """As many bytes as a slate of so many items takes at most."""
    return slots * (2 * (NAME_BYTES + 1) + 9 + 1 + 1 + 2 * DIMENSION + 8) + 32


@compiled
def _put_head(out: Any, at: int, kind: int, length: int) -> int:
    """Writes MessagePack's head of something of a two-byte length; returns where it ends."""
    out[at], out[at + 1], out[at + 2] = kind, length >> 8, length & 0xFF
    return at + 3


@compiled
def _put_bytes(out: Any, at: int, text: Any) -> int:
    at = _put_head(out, at, 0xC5, len(text))
    for i in range(len(text)):
        out[at + i] = text[i]
    return at + len(text)


@compiled
def _put_names(out: Any, at: int, names_at: int, rows: Any) -> tuple[int, bool]:
    """Writes an array of names; returns where it ends and whether all were held."""
    at, are_held = _put_head(out, at, 0xDC, len(rows)), True
    for row in rows:
        name = carray(_pointer(names_at + NAME_BYTES * row), NAME_BYTES, np.uint8)
        length = int(name[0])
        if length == UNNAMED:
            length, are_held = 0, False
        out[at], out[at + 1] = 0xD9, length
        for i in range(length):
            out[at + 2 + i] = name[1 + i]
        at += 2 + length
    return at, are_held


@compiled
def _largest(keys: Any) -> int:
    """The index of the largest key, the first of equals. Two passes without branches, so that both are vectors: 21 ns for a hundred
    keys, and 77 ns where the second ends at the first that it finds."""
    most, size = GONE, np.int32(len(keys))
    for i in range(len(keys)):
        key = keys[i]
        most = key if key > most else most
    first = size
    for i in range(len(keys)):
        here = np.int32(i) if keys[i] == most else size
        first = here if here < first else first
    return int(first)


@compiled
def _nth(open_: Any, nth: int) -> int:
    """The open index that has `nth` open ones before it."""
    for i in range(len(open_)):
        if open_[i]:
            if nth == 0:
                return i
            nth -= 1
    return -1
