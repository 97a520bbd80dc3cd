"""How often each category is viewed at moments such as the evening, on a phone, or in the rain: long, decayed counts."""

import heapq
from collections.abc import Mapping
from math import isfinite, log

import msgspec

from state.codec import damaged, unpack
from state.decay import decay_between

_VERSION = b"\x01"
ALL_MOMENTS = ""
"""The name of what is counted at all moments together."""
MOST_MOMENTS = 500
MOST_CATEGORIES = 500
"""Of a moment; the most viewed."""
PRIOR_VIEWS = 100.0
"""κ: views at a moment by which it counts for half against the whole."""


class Moment(msgspec.Struct, array_like=True):
    """Decayed views as of `as_of_ms`: of each category, and the `total` of all, the forgotten ones included."""

    as_of_ms: int
    total: float
    views: dict[str, float]

    def add(self, end_ms: int, views: Mapping[str, int], half_life_ms: int) -> None:
        """Add the views of the window that ends at `end_ms`, once for each window, in any order: windows that one watermark closes
        leave one subtask and are dealt to several."""
        newest_ms = max(self.as_of_ms, end_ms)
        decay = decay_between(self.as_of_ms, newest_ms, half_life_ms)
        weight = decay_between(end_ms, newest_ms, half_life_ms)
        summed = {category: decay * count for category, count in self.views.items()}
        for category, count in views.items():
            summed[category] = summed.get(category, 0.0) + weight * count
        if len(summed) > MOST_CATEGORIES:
            summed = dict(heapq.nlargest(MOST_CATEGORIES, summed.items(), key=lambda entry: (entry[1], entry[0])))
        self.as_of_ms = newest_ms
        self.total = decay * self.total + weight * sum(views.values())
        self.views = summed

    def total_at(self, at_ms: int, half_life_ms: int) -> float:
        """Return the total as it will have decayed by then."""
        return self.total * decay_between(self.as_of_ms, at_ms, half_life_ms)

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return _VERSION + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "Moment":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        moment = unpack(data, (_VERSION,), _moment, "a moment")
        if not all(isfinite(count) and count >= 0 for count in (moment.total, *moment.views.values())):
            raise damaged("a moment", "views are counts, so finite and not negative")
        return moment


class Moments(msgspec.Struct, array_like=True):
    """Moments by name, at most `MOST_MOMENTS`, and the whole; those with the fewest views, as they have decayed, go first."""

    moments: dict[str, Moment] = {}

    def add(self, end_ms: int, moments: Mapping[str, Mapping[str, int]], half_life_ms: int) -> list[str]:
        """Add a window's views by moment and category; return the names of those that had to go."""
        for name, views in moments.items():
            self.moments.setdefault(name, Moment(0, 0.0, {})).add(end_ms, views, half_life_ms)
        excess = len(self.moments) - (ALL_MOMENTS in self.moments) - MOST_MOMENTS
        if excess <= 0:
            return []
        end_ms = max(moment.as_of_ms for moment in self.moments.values())
        named = ((moment.total_at(end_ms, half_life_ms), name) for name, moment in self.moments.items() if name)
        gone = [name for _, name in heapq.nsmallest(excess, named)]
        for name in gone:
            del self.moments[name]
        return gone

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state."""
        return _VERSION + msgspec.msgpack.encode(self)

    @classmethod
    def decode(cls, data: bytes | None) -> "Moments":
        """Invert `encode`; empty for None.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        if data is None:
            return cls({})
        return unpack(data, (_VERSION,), _moments, "the moments")


_moment = msgspec.msgpack.Decoder(Moment)
_moments = msgspec.msgpack.Decoder(Moments)


def lift(moments: list[Moment], whole: Moment | None) -> dict[str, float]:
    """Return how much more each category is viewed at these moments than over all: a log ratio of shares, 0 for no difference.

    With n(m, k) the views of category k at moment m, n(m) their total and p(k) the category's share of all views, a moment's lift
    is that of the share shrunk to p(k) as if by κ views (a Dirichlet prior): ℓ(m, k) = ln((n(m, k) + κ·p(k)) / ((n(m) + κ)·p(k))).
    The moments are blended by their evidence, w(m) = n(m)/(n(m) + κ): ℓ(k) = Σ w·ℓ / Σ w. A category that a moment does not name
    was not viewed there, or too seldom to be kept: a moment that is full says nothing of it.
    """
    if whole is None or whole.total <= 0:
        return {}
    weights = [moment.total / (moment.total + PRIOR_VIEWS) for moment in moments]
    if not sum(weights):
        return {}
    lifts: dict[str, float] = {}
    for category, count in whole.views.items():
        share = count / whole.total
        if share <= 0:
            continue
        weighted = sum(weight * _lift(moment, category, share) for weight, moment in zip(weights, moments, strict=True))
        lifts[category] = weighted / sum(weights)
    return lifts


def _lift(moment: Moment, category: str, share: float) -> float:
    count = moment.views.get(category)
    if count is None:
        if len(moment.views) >= MOST_CATEGORIES:
            return 0.0
        count = 0.0
    return log((count + PRIOR_VIEWS * share) / ((moment.total + PRIOR_VIEWS) * share))
