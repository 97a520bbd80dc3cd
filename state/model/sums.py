"""The sufficient statistics of a weighted ridge regression: sums only, so shards merge exactly.

Forgetting is forward decay (Cormode, Shkapenyuk, Srivastava, Xu 2009, "Forward decay: a practical time decay model for
streaming systems", section 3): an example of time t has the weight 2^((t - L)/h) for a landmark L. Landmarks are multiples of 32
half-lives, so that moving to a later one scales by an exact power of two.

The half-life may change, at a `turn`: then weights go on from what they were at that time. An example from before the turn weighs
what it would if it had been there in time: the half-lives between two moments are counted under the half-life that was in force.
"""

from collections.abc import Sequence
from functools import cache
from struct import Struct
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from state.codec import damaged, unpack
from state.decay import decay_between, landmark_of, landmark_scale
from state.kernels.learning import WEIGHED, add_to_sums, are_within

Vector = NDArray[np.float64]
HALF_LIVES_PER_LANDMARK = 32
TURNS_KEPT = 16
"""Changes of the half-life that are remembered, for examples from before them."""
LARGEST_FEATURE = 1_000.0
MOST_FEATURES = 512
"""Of sums that can be read: their matrix grows with the square."""
LATEST_MS = 253_402_300_799_000
"""The end of the year 9999: later is no time."""
POSITIONS = 20
MARKS = 4
"""Numbers of the evidence on examination."""
FOLLOWED, CHOSEN = 1, 2
"""Whose an item is where a list follows the shop's own order in part: that order's, or the model's."""
EXAMINATION_PRIOR = 50.0
"""Exposures' worth of the belief that a position is looked at as often as the average one."""

_pack = Struct(f"{WEIGHED}d").pack


class Example(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A change of what was learned of one exposure.

    `x` is the features as float16 bytes. For an exposure of weight e and reward r, `count` is the difference of e², `reward` that
    of e r and `reward_squared` that of r². If the item was explored, `position` is where it was shown (else -1), and `seen` and
    `clicked` are the differences of its exposures and rewards there, from which examination is estimated. `region` is the
    session's group when it is told, see `state.session.group`, empty where it has none. `passed`, `below`, `rewarded` and
    `rewarded_below` are differences too, 0 unless examination goes by evidence: whether it lies below its impression's last reward
    without one of its own, below the first one, whether it is rewarded, and both of these. `arm` is `FOLLOWED` or `CHOSEN` where
    the list followed the shop's own order in part, else 0.
    """

    exposed_at_ms: int
    product_id: str
    x: bytes
    count: float
    reward: float
    reward_squared: float
    position: int = -1
    seen: int = 0
    clicked: float = 0.0
    region: str = ""
    passed: int = 0
    below: int = 0
    rewarded: int = 0
    rewarded_below: int = 0
    arm: int = 0

    def features(self) -> Vector:
        """Return x as float64, (d,)."""
        return np.frombuffer(self.x, dtype=np.float16).astype(np.float64)


class Learned(NamedTuple):
    """n examples that were learned from: their features (n, d), their numbers times their weights as of one landmark, (n, 6), as
    `state.kernels.learning` names them, and the changes of what was passed over, (n,), times the weights."""

    examples: list[Example]
    x: Vector
    numbers: Vector
    passed: Vector


def landmark_at(time_ms: int, half_life_ms: int | None) -> int:
    """Return the landmark in force at a time; 0 if nothing is forgotten."""
    return 0 if half_life_ms is None else landmark_of(time_ms, HALF_LIVES_PER_LANDMARK * half_life_ms)


@cache
def upper_triangle(dimension: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return rows and columns of the upper triangle of a (d, d) matrix."""
    return np.triu_indices(dimension)


class Sums:
    """A = Σ w e² x xᵀ (d × d), b = Σ w e r x (d), and Σ w e², Σ w e r, Σ w r², with weights w as of `landmark_ms`.

    e is an exposure's weight, 1 unless its position may not have been looked at. `positions` (2, 20) holds exposures and rewards of
    explored items by position. `turns` are the changes of the half-life, oldest first: when, and what it was before.

    `passed` (d × d) is that part of A which was passed over, and `evidence` (4) counts exposures that were, those below a first
    reward, the rewarded ones, and the rewarded ones below a first reward: see `state.model.examination`. `compared` (2, 2)
    holds exposures and rewards of items of the shop's own order, and of the model's beside them: see `state.model.apprenticeship`.
    """

    def __init__(self, dimension: int, half_life_ms: int | None, landmark_ms: int = 0) -> None:
        self.half_life_ms = half_life_ms
        self.landmark_ms = landmark_ms
        self.turns: list[tuple[int, int | None]] = []
        self.a = np.zeros((dimension, dimension))
        self.b = np.zeros(dimension)
        self.totals = np.zeros(3)
        self.positions = np.zeros((2, POSITIONS))
        self.passed = np.zeros((dimension, dimension))
        self.evidence = np.zeros(MARKS)
        self.compared = np.zeros((2, 2))
        self.refused = 0

    @property
    def dimension(self) -> int:
        """Number of features."""
        return len(self.b)

    @property
    def weight(self) -> float:
        """Σ w as of the landmark."""
        return float(self.totals[0])

    def half_lives_to(self, time_ms: int) -> float:
        """Return half-lives from the landmark to a time, negative for an earlier one; before a turn under those of that time."""
        count, moment_ms, half_life_ms = 0.0, self.landmark_ms, self.half_life_ms
        for turned_ms, before_ms in reversed(self.turns):
            if time_ms >= turned_ms:
                break
            count += (turned_ms - moment_ms) / half_life_ms if half_life_ms else 0.0
            moment_ms, half_life_ms = turned_ms, before_ms
        return count + ((time_ms - moment_ms) / half_life_ms if half_life_ms else 0.0)

    def add(self, examples: Sequence[Example]) -> "Learned":
        """Add examples, and return those that were taken.

        What is not finite or out of range is refused and counted.
        """
        found, x = self._learnable(examples)
        self.refused += len(examples) - len(found)
        numbers, weights = self._weighed(found)
        add_to_sums(x, numbers, self.a, self.b, self.totals, self.positions)
        return Learned(found, x, numbers, self._add_marks(found, x, weights))

    def _add_marks(self, examples: Sequence[Example], x: Vector, weights: Sequence[float]) -> Vector:
        """Adds what was passed over, and the evidence; returns the weighed changes of the former, (n,)."""
        rows = [(e.passed, e.below, e.rewarded, e.rewarded_below) for e in examples]
        marks = np.array(rows, dtype=np.float64).reshape(-1, MARKS) * np.array(weights).reshape(-1, 1)
        self.evidence += marks.sum(axis=0)
        for example, weight in zip(examples, weights, strict=True):
            if example.arm in (FOLLOWED, CHOSEN):
                self.compared[example.arm - 1] += weight * example.count, weight * example.reward
        passed: Vector = marks[:, 0]
        at = np.flatnonzero(passed)
        if len(at):
            self.passed += (x[at] * passed[at, None]).T @ x[at]
        return passed

    def _learnable(self, examples: Sequence[Example]) -> tuple[list[Example], Vector]:
        """Those of the examples that can be learned from, and their features."""
        width = 2 * self.dimension
        found = [e for e in examples if len(e.x) == width and abs(e.reward) <= LARGEST_FEATURE]
        halves = np.frombuffer(b"".join([e.x for e in found]), dtype=np.float16)
        x = halves.astype(np.float64).reshape(-1, self.dimension)
        if not are_within(x, LARGEST_FEATURE):
            is_fine = (np.abs(x) <= LARGEST_FEATURE).all(axis=1)
            found, x = [found[i] for i in np.flatnonzero(is_fine)], x[is_fine]
        return found, x

    def _weighed(self, examples: Sequence[Example]) -> tuple[Vector, list[float]]:
        """The examples' numbers times their weights, (n, 6), and these, after moving to a later landmark where one is due."""
        weights = [1.0] * len(examples)
        if examples and (self.half_life_ms is not None or self.turns):
            latest_ms = max([e.exposed_at_ms for e in examples])
            self.move_to(max(self.landmark_ms, landmark_at(latest_ms, self.half_life_ms)))
            weights = [2.0 ** self.half_lives_to(e.exposed_at_ms) for e in examples]
        packed = [
            _pack(w * e.count, w * e.reward, w * e.reward_squared, w * e.seen, w * e.clicked, e.position)
            for e, w in zip(examples, weights, strict=True)
        ]
        return np.frombuffer(bytearray().join(packed), dtype=np.float64).reshape(-1, WEIGHED), weights

    def move_to(self, landmark_ms: int) -> None:
        """Express the sums as of a later landmark."""
        scale = landmark_scale(self.landmark_ms, landmark_ms, self.half_life_ms)
        if scale != 1.0:
            self.a *= scale
            self.b *= scale
            self.totals *= scale
            self.positions *= scale
            self.passed *= scale
            self.evidence *= scale
            self.compared *= scale
        self.landmark_ms = landmark_ms

    def merge(self, other: "Sums", sign: int = 1) -> None:
        """Add another shard's sums, or takes them off with a sign of -1."""
        landmark_ms = max(self.landmark_ms, other.landmark_ms)
        self.move_to(landmark_ms)
        scale = sign * landmark_scale(other.landmark_ms, landmark_ms, self.half_life_ms)
        self.a += scale * other.a
        self.b += scale * other.b
        self.totals += scale * other.totals
        self.positions += scale * other.positions
        self.passed += scale * other.passed
        self.evidence += scale * other.evidence
        self.compared += scale * other.compared
        self.refused += sign * other.refused

    def examination(self) -> Vector:
        """Return how likely each position is looked at, (20,), relative to the one that is looked at most.

        Explored items are drawn alike for every position, so that their rewards differ by the position alone.
        """
        seen, clicked = np.maximum(self.positions, 0.0)
        mean = clicked.sum() / seen.sum() if seen.sum() > 0 else 0.0
        if mean <= 0:
            return np.ones(POSITIONS)
        rate = (clicked + EXAMINATION_PRIOR * mean) / (seen + EXAMINATION_PRIOR)
        relative: Vector = np.clip(rate / rate.max(), 0.05, 1.0)
        return relative

    def under(self, half_life_ms: int | None, now_ms: int) -> "Sums":
        """Return these sums as of `now_ms` under another half-life: what was forgotten stays so, from now on the new one holds."""
        if half_life_ms == self.half_life_ms:
            return self
        moved = Sums(self.dimension, half_life_ms, landmark_at(now_ms, half_life_ms))
        scale = 2.0 ** (moved.half_lives_to(now_ms) - self.half_lives_to(now_ms))
        moved.turns = [*self.turns, (now_ms, self.half_life_ms)][-TURNS_KEPT:]
        moved.a, moved.b = scale * self.a, scale * self.b
        moved.totals, moved.positions, moved.refused = scale * self.totals, scale * self.positions, self.refused
        moved.passed, moved.evidence = scale * self.passed, scale * self.evidence
        moved.compared = scale * self.compared
        return moved

    def looked_at(self) -> "Sums":
        """Return the sums without what was passed over, of which no reward is.

        What lies below a first reward counts for as much less as all exposures do, so that the evidence is the same.
        """
        left = Sums(self.dimension, self.half_life_ms, self.landmark_ms)
        left.turns, left.refused = self.turns, self.refused
        left.a, left.b, left.positions = self.a - self.passed, self.b, self.positions
        left.compared = self.compared
        left.totals = self.totals - np.array([self.evidence[0], 0.0, 0.0])
        left.evidence[1:] = self.evidence[1:]
        if self.weight > 0:
            left.evidence[1] *= left.weight / self.weight
        return left

    def fade(self, now_ms: int) -> float:
        """Return what a weight as of the landmark is worth at `now_ms`."""
        return decay_between(self.landmark_ms, max(now_ms, self.landmark_ms), self.half_life_ms)

    def coefficients(self, ridge: float, now_ms: int, prior: Vector) -> Vector:
        """Return θ = (λI + A(t))⁻¹ (λθ₀ + b(t)), the weighted ridge estimate as of `now_ms`; the prior, θ₀ (d,), does not decay."""
        fade = self.fade(now_ms)
        return np.linalg.solve(ridge * np.eye(self.dimension) + fade * self.a, ridge * prior + fade * self.b)

    def encode(self) -> bytes:
        """Return versioned bytes: the upper triangles of A and of what was passed over, and the rest, float64, little endian.

        Where nothing was compared, as in most shops, they are of version 3, which earlier releases read.
        """
        upper, passed = self.a[upper_triangle(self.dimension)], self.passed[upper_triangle(self.dimension)]
        parts = [upper, self.b, self.totals, self.positions.ravel(), passed, self.evidence]
        has_compared = bool(self.compared.any())
        numbers = np.concatenate([*parts, self.compared.ravel()] if has_compared else parts).astype("<f8").tobytes()
        return (b"\x04" if has_compared else b"\x03") + msgspec.msgpack.encode(
            [self.dimension, self.half_life_ms, self.landmark_ms, self.refused, numbers, self.turns]
        )

    @classmethod
    def decode(cls, data: bytes) -> "Sums":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        stored = unpack(data, (b"\x01", b"\x02", b"\x03", b"\x04"), _stored, "a record of sums")
        dimension, triangle = stored.dimension, stored.dimension * (stored.dimension + 1) // 2
        size = triangle + dimension + 3 + 2 * POSITIONS
        passed_end = size + triangle
        length = {b"\x03": passed_end + MARKS, b"\x04": passed_end + MARKS + 4}.get(data[:1], size)
        if len(stored.numbers) != 8 * length:
            raise damaged("a record of sums", f"{len(stored.numbers)} bytes of numbers for {dimension} features")
        values = np.frombuffer(stored.numbers, dtype="<f8")
        if not np.isfinite(values).all():
            raise damaged("a record of sums", "its numbers must be finite")
        if stored.turns != sorted(stored.turns, key=lambda turn: turn[0]):
            raise damaged("a record of sums", "its half-life's changes must be in the order of time")
        sums = cls(dimension, stored.half_life_ms, stored.landmark_ms)
        rows, columns = upper_triangle(dimension)
        sums.a[rows, columns] = values[:triangle]
        sums.a[columns, rows] = values[:triangle]
        sums.b = values[triangle : triangle + dimension].copy()
        sums.totals = values[triangle + dimension : triangle + dimension + 3].copy()
        sums.positions = values[triangle + dimension + 3 : size].reshape(2, POSITIONS).copy()
        if len(values) > size:
            sums.passed[rows, columns] = sums.passed[columns, rows] = values[size:passed_end]
            sums.evidence = values[passed_end : passed_end + MARKS].copy()
        if len(values) > passed_end + MARKS:
            sums.compared = values[passed_end + MARKS :].reshape(2, 2).copy()
        sums.refused = stored.refused
        sums.turns = stored.turns
        return sums


_Time = Annotated[int, msgspec.Meta(ge=0, le=LATEST_MS)]
_HalfLife = Annotated[int, msgspec.Meta(ge=1, le=LATEST_MS)] | None


class _Stored(msgspec.Struct, array_like=True):
    """`Sums` in bytes; those of version 1 have no turns, those before 3 nothing that was passed over, and those before 4
    nothing that was compared."""

    dimension: Annotated[int, msgspec.Meta(ge=1, le=MOST_FEATURES)]
    half_life_ms: _HalfLife
    landmark_ms: _Time
    refused: int
    numbers: bytes
    turns: Annotated[list[tuple[_Time, _HalfLife]], msgspec.Meta(max_length=TURNS_KEPT)] = []


_stored = msgspec.msgpack.Decoder(_Stored)
