"""A slow, obvious reference of the compiled choice: the same random numbers, candidates and beliefs give the same slate."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from state.feature_set import DIMENSION
from state.kernels.core.layout import OPTIMISTIC, SAMPLED, WEIGHTED
from state.kernels.core.offering import CATEGORY_BITS, PERSONAL_BITS

_MASK = (1 << 64) - 1
LANES = 16


class Chance:
    """xorshift128+ as its paper has it (Vigna 2017), from two words of state."""

    def __init__(self, state: NDArray[np.int64]) -> None:
        self._a, self._b = int(state[0]) & _MASK, int(state[1]) & _MASK

    def next(self) -> float:
        """Return a number in [0, 1) with 53 bits."""
        a, b = self._a, self._b
        a = (a ^ (a << 23)) & _MASK
        a = a ^ b ^ (a >> 18) ^ (b >> 5)
        self._a, self._b = b, a
        return float(((a + b) & _MASK) >> 11) / 2**53


class Picked(NamedTuple):
    """Items by the candidates' numbers, with their propensities, and whether each is another than the best."""

    items: list[int]
    propensity: list[float]
    explored: list[bool]
    levels: list[int]


def pick(record: Any, world: Any, normals: NDArray[np.float32], chance: Chance) -> Picked:
    """Return the slate for the candidates in the record, described there.

    For each slot: of those eligible, each is as probable as the draws in which it is the best, or as its weight, except for the
    floor. If a cap leaves nothing, the personal one is given up first, then both, and all is drawn anew.
    """
    n = int(record["n"])
    draws = _draws(record, world, normals, chance)
    floor = float(world["floor"])
    codes, sources = record["codes"][:n].tolist(), record["sources"][:n].tolist()
    bits = PERSONAL_BITS | (CATEGORY_BITS if int(record["n_liked"]) else 0)
    personal = [bool((bits >> source) & 1) for source in sources]
    expected = record["mean"][:n]
    open_ones, level = set(range(n)), 0
    found = Picked([], [], [], [])
    while len(found.items) < int(world["slots"]) and open_ones:
        eligible: list[int] = []
        before = level
        while not eligible:
            eligible = [i for i in sorted(open_ones) if _fits(i, found.items, codes, personal, world, level)]
            level += not eligible
        if level != before and found.items:
            draws = _draws(record, world, normals, chance)
        q = _preferred(record, world, draws, eligible)
        explores, u = chance.next() < floor, chance.next()
        if explores:
            item = eligible[min(int(u * len(eligible)), len(eligible) - 1)]
        elif int(world["way"]) == WEIGHTED:
            item = eligible[int((u < q.cumsum()).argmax())]
        else:
            item = eligible[int(np.argmax(draws[min(int(u * len(draws)), len(draws) - 1)][eligible]))]
        best = eligible[int(np.argmax(expected[eligible]))]
        found.items.append(item)
        found.propensity.append((1 - floor) * float(q[eligible.index(item)]) + floor / len(eligible))
        found.explored.append(item != best)
        found.levels.append(level)
        open_ones.remove(item)
    return found


def _fits(i: int, above: list[int], codes: list[int], personal: list[bool], world: Any, level: int) -> bool:
    same = sum(codes[other] == codes[i] for other in above)
    if level < 2 and codes[i] and same >= int(world["cap_category"]):
        return False
    return not (level < 1 and personal[i] and sum(personal[other] for other in above) >= int(world["cap_personal"]))


def _preferred(record: Any, world: Any, draws: NDArray[np.float64], eligible: list[int]) -> NDArray[np.float64]:
    """The policy's own probability of each that is eligible."""
    if int(world["way"]) == WEIGHTED:
        means = record["mean"][eligible].astype(np.float64)
        weights: NDArray[np.float64] = np.exp((means - means.max()) / float(world["temperature"]))
    else:
        weights = np.bincount(draws[:, eligible].argmax(axis=1), minlength=len(eligible)).astype(np.float64)
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares


def _draws(record: Any, world: Any, normals: NDArray[np.float32], chance: Chance) -> NDArray[np.float64]:
    """Joint draws of all candidates' rewards: θ from its posterior, and the own effect of each from its own; of a ranking its
    one row."""
    n, count, way = int(record["n"]), int(world["draws"]), int(world["way"])
    mean: NDArray[np.float64] = record["mean"][:n].astype(np.float64)
    if way == WEIGHTED:
        return mean[:0]
    if way != SAMPLED:
        factor = world["root"][:, :DIMENSION].astype(np.float64) @ record["x"][:, :n].astype(np.float64)
        width = np.sqrt((factor**2).sum(axis=0) + record["deviation"][:n].astype(np.float64) ** 2)
        return (mean + width if way == OPTIMISTIC else mean).reshape(1, n)
    wide = -(-n // LANES) * LANES
    size = count * (DIMENSION + wide)
    start = int(chance.next() * (int(world["normals_size"]) - size))
    shared = normals[start:][: count * DIMENSION].reshape(count, DIMENSION)
    own = normals[start + count * DIMENSION :][: count * wide].reshape(count, wide)[:, :n]
    theta = shared.astype(np.float64) @ world["root"][:, :DIMENSION].astype(np.float64)
    spread = theta @ record["x"][:, :n].astype(np.float64)
    if count % 2 == 0:  # the second half are reflections of the first
        spread = np.concatenate([spread[: count // 2], -spread[: count // 2]])
    found: NDArray[np.float64] = record["mean"][:n] + spread + record["deviation"][:n] * own
    return found
