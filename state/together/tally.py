"""What a gather of accepted events adds to the counts, with each pair once.

Forward decay (Cormode, Shkapenyuk, Srivastava, Xu 2009, section 3): an event of time t weighs 2^((t - L)/h) for a landmark L and a
half-life h. Sums of such weights do not depend on the order of the events. Landmarks move in steps of h/1024, and whoever holds a
sum brings it from its landmark to a later one when it is next touched, so what is not touched needs no rewriting.
"""

import zlib
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set

from state.decay import decay_between
from state.events.accepted import ENTRY, FIELD

STEPS_PER_HALF_LIFE = 1_024

ALLOWANCE_MS = 5_000

BOUGHT, VIEWED = "bought", "viewed"
KINDS = (BOUGHT, VIEWED)


def span_of(half_life_ms: int) -> int:
    """Return the time between two landmarks: a 1024th of the half-life."""
    return max(1, half_life_ms // STEPS_PER_HALF_LIFE)


def owner_of(product_id: str, shards: int) -> int:
    """Return the shard that counts the partners of a product, the same in every process."""
    return zlib.crc32(product_id.encode()) % shards if shards > 1 else 0


def within(lines: Sequence[str], most: int) -> tuple[Sequence[str], int]:
    """Return the lines, thinned evenly to about `most` pairs, and how many pairs were left out.

    Thinning touches all counts alike, and so leaves a lift what it is.
    """
    pairs = sum(map(_pairs_in, lines))
    if pairs <= most:
        return lines, 0
    kept = lines[:: -(-pairs // most)]
    return kept, pairs - sum(map(_pairs_in, kept))


class Allowance:
    """Allowance of pairs to count: a token bucket (Turner 1986, "New directions in communications") of `most`, filled in
    `ALLOWANCE_MS`. So a large basket is counted in full after a quiet time, and many events are thinned evenly.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = float(most)
        self._as_of_ms = 0

    def allocate(self, lines: Sequence[str], now_ms: int) -> tuple[Sequence[str], int]:
        """Allocate as `within` does, of what is left now."""
        passed = max(0, now_ms - self._as_of_ms) / ALLOWANCE_MS
        self._left, self._as_of_ms = min(self._most, self._left + passed * self._most), now_ms
        kept, left_out = within(lines, max(1, int(self._left)))
        self._left -= sum(map(_pairs_in, kept))
        return kept, left_out


def _pairs_in(line: str) -> int:
    return 0 if line.endswith(FIELD) else line.count(ENTRY) + 1


class Tally:
    """Weights as of `landmark_ms`: `baskets` in all, `singles` by product, and `pairs` of one shard's products with others."""

    def __init__(self, landmark_ms: int, now_ms: int, half_life_ms: int) -> None:
        self.landmark_ms = landmark_ms
        self._now_ms = now_ms
        self._half_life_ms = half_life_ms
        self.baskets = 0.0
        self.singles: defaultdict[str, float] = defaultdict(float)
        self.pairs: defaultdict[str, defaultdict[str, float]] = defaultdict(_weights)
        self.unreadable = 0

    def add(self, kind: str, lines: Iterable[str], shard: int = 0, shards: int = 1) -> None:
        """Count lines of time in s, product and the products that go with it, in the form of `state/events/accepted.py`.

        Of a checkout each product has a line of its own, so a line is a part of its basket. No event weighs more than one of now.
        """
        weights: dict[str, float] = {}
        for line in lines:
            time_s, _, rest = line.partition(FIELD)
            product, _, with_it = rest.partition(FIELD)
            weight = weights.get(time_s)
            if weight is None:
                if not time_s.isdigit():
                    self.unreadable += 1
                    continue
                time_ms = min(int(time_s) * 1_000, self._now_ms)
                weight = weights[time_s] = decay_between(time_ms, self.landmark_ms, self._half_life_ms)
            others = with_it.split(ENTRY) if with_it else []
            if kind == BOUGHT:
                self._add_basket(product, others, weight, shards == 1 or owner_of(product, shards) == shard)
            else:
                self._add_views(product, others, weight, shard, shards)

    def leave_out(self, products: Set[str]) -> None:
        """Forget what was counted of these products."""
        for product in products:
            self.singles.pop(product, None)
            self.pairs.pop(product, None)
        for others in self.pairs.values():
            for product in products & others.keys():
                del others[product]

    def _add_basket(self, product: str, others: list[str], weight: float, owned: bool) -> None:
        self.baskets += weight / (1 + len(others))
        self.singles[product] += weight
        if owned and others:
            pairs = self.pairs[product]
            for other in others:
                pairs[other] += weight
                self.singles[other] += 0.0  # its own line may come in another gather

    def _add_views(self, product: str, others: list[str], weight: float, shard: int, shards: int) -> None:
        self.baskets += weight * len(others)
        self.singles[product] += weight * len(others)
        owned = shards == 1 or owner_of(product, shards) == shard
        for other in others:
            self.singles[other] += weight
            if owned:
                self.pairs[product][other] += weight
            if shards == 1 or owner_of(other, shards) == shard:
                self.pairs[other][product] += weight


def _weights() -> defaultdict[str, float]:
    return defaultdict(float)
