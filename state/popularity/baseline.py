"""A region's own past: how often each product is counted in a window there, as a mean in which the past is forgotten.

Whole windows, those that end at a multiple of their length, do not overlap; each is folded in once. With D = 2^(−window/half-life)
the mean of a product's counts c₁, …, cₘ is Σ Dᵐ⁻ⁱ cᵢ / Σ Dᵐ⁻ⁱ: exponentially decayed sums (Cormode, Shkapenyuk, Srivastava, Xu:
Forward decay, ICDE 2009). Windows in which the region had no event at all count as zeros.

Only the most counted products of a window are known. One that is not among them had at most the lowest count of a full list, none
where the list was not full, and is taken to have had as much: so a mean is never below the truth, and what cannot be known raises
no alarm.
"""

import heapq
from collections.abc import Sequence

import msgspec

from state.codec import unpack
from state.decay import decay_between

_VERSION = b"\x01"
FORGOTTEN = 0.01
"""A decayed sum of so few counts is none."""


class Baseline(msgspec.Struct, array_like=True):
    """Decayed sums as of `folded_ms`, the end of the last whole window, 0 before the first.

    `weight` is Σ D, the windows that the sums stand for, `squares` Σ D², `total` is the sum of the counts of everything; `sums`
    are by product, of those only whose sum is above `floor`, which all others are taken to have.
    """

    folded_ms: int = 0
    weight: float = 0.0
    squares: float = 0.0
    total: float = 0.0
    floor: float = 0.0
    sums: dict[str, float] = {}

    @property
    def windows(self) -> float:
        """The number of windows that a plain mean of the same variance would have: (Σ D)² / Σ D²."""
        return self.weight**2 / self.squares if self.squares else 0.0

    def sum_of(self, product_id: str) -> float:
        """Return the most that the product's decayed sum can be."""
        return self.sums.get(product_id, self.floor)

    def fold(
        self,
        end_ms: int,
        total: int,
        products: Sequence[tuple[str, int]],
        *,
        window_ms: int,
        half_life_ms: int,
        tracked: int,
    ) -> None:
        """Add the whole window that ends at `end_ms`: its `total`, and the counts of its at most `tracked` products, the largest
        first. A window that is not later than the last one changes nothing.
        """
        if end_ms <= self.folded_ms:
            return
        passed = (end_ms - self.folded_ms) // window_ms if self.folded_ms else 1
        step = decay_between(0, window_ms, half_life_ms)
        decay = step**passed
        lowest = products[-1][1] if len(products) >= tracked else 0
        counts = dict(products)
        sums = {name: decay * value + counts.get(name, lowest) for name, value in self.sums.items()}
        for name, count in products:
            if name not in sums:
                sums[name] = decay * self.floor + count
        self.folded_ms = end_ms
        self.weight = decay * self.weight + _geometric(step, passed)
        self.squares = decay**2 * self.squares + _geometric(step**2, passed)
        self.total = decay * self.total + total
        self.floor = decay * self.floor + lowest
        self._keep(sums, 2 * tracked)

    def _keep(self, sums: dict[str, float], most: int) -> None:
        """Keeps what says more than the floor; where that is too much, the floor rises to what goes."""
        least = max(self.floor, FORGOTTEN)
        self.sums = {name: value for name, value in sums.items() if value > least}
        if len(self.sums) > most:
            largest = heapq.nlargest(most + 1, self.sums.items(), key=lambda entry: (entry[1], entry[0]))
            self.sums = dict(largest[:most])
            self.floor = largest[most][1]

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state."""
        return _VERSION + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Baseline":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        return unpack(data, (_VERSION,), _decoder, "a region's baseline")


_decoder = msgspec.msgpack.Decoder(Baseline)


def _geometric(ratio: float, terms: int) -> float:
    """1 + ratio + … of so many terms."""
    return terms if ratio >= 1.0 else (1.0 - ratio**terms) / (1.0 - ratio)
