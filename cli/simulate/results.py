"""Click-through of the arms: ratios with standard errors that respect that the pages of one visit belong together."""

import math
from typing import Any

import msgspec

from cli.simulate.lists import HELIOTROPE, POPULARITY, UNIFORM


class Visit(msgspec.Struct):
    """Result of one visit to an arm. `best` is the sum of click probabilities over the best items for its pages."""

    arm: str
    pages: int = 0
    shown: int = 0
    clicks: int = 0
    best: float = 0.0
    events: int = 0
    missing_profiles: int = 0
    empty_lists: int = 0
    profiles: int = 0


class Ratio(msgspec.Struct):
    """Totals for a ratio Σ y / Σ x over visits, and its linearised standard error."""

    visits: int = 0
    y: float = 0.0
    x: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    xx: float = 0.0

    def add(self, y: float, x: float) -> None:
        """Add one visit's numerator and denominator."""
        if x:
            self.visits += 1
            self.y += y
            self.x += x
            self.yy += y * y
            self.xy += x * y
            self.xx += x * x

    @property
    def value(self) -> float:
        """The ratio; 0 before there is anything."""
        return self.y / self.x if self.x else 0.0

    @property
    def standard_error(self) -> float:
        """Of the ratio, visits being independent; infinite with fewer than two."""
        if self.visits < 2:
            return math.inf
        ratio = self.value
        squares = max(0.0, self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx)
        return math.sqrt(squares * self.visits / (self.visits - 1)) / self.x


class Results(msgspec.Struct):
    """Visits so far: click-through of Heliotrope's, popular and uniformly random lists, and of the best possible (expected)."""

    heliotrope: Ratio = msgspec.field(default_factory=Ratio)
    popularity: Ratio = msgspec.field(default_factory=Ratio)
    uniform: Ratio = msgspec.field(default_factory=Ratio)
    best: Ratio = msgspec.field(default_factory=Ratio)
    visits: int = 0
    pages: int = 0
    events: int = 0
    profiles: int = 0
    missing_profiles: int = 0
    empty_lists: int = 0

    def add(self, visit: Visit) -> None:
        """Count a visit that is over."""
        arms = {HELIOTROPE: self.heliotrope, POPULARITY: self.popularity, UNIFORM: self.uniform}
        arms[visit.arm].add(visit.clicks, visit.shown)
        self.best.add(visit.best, visit.shown)
        self.visits += 1
        self.pages += visit.pages
        self.events += visit.events
        self.profiles += visit.profiles
        self.missing_profiles += visit.missing_profiles
        self.empty_lists += visit.empty_lists

    def lift(self) -> tuple[float, float]:
        """Return Heliotrope's click-through over the uniform arm's, and its standard error (delta method)."""
        above, below = self.heliotrope, self.uniform
        if not above.value or not below.value:
            return 0.0, math.inf
        ratio = above.value / below.value
        relative = math.hypot(above.standard_error / above.value, below.standard_error / below.value)
        return ratio, ratio * relative

    def share_of_possible(self) -> float:
        """Return how much of the way from uniform to the best possible was gone, 0 to 1; negative where it is worse than
        uniform."""
        room = self.best.value - self.uniform.value
        return (self.heliotrope.value - self.uniform.value) / room if room > 0 else 0.0


def summary(results: Results, seconds: float, waits_ms: list[float]) -> dict[str, Any]:
    """Return the results as plain values for JSON; what is not known is null."""
    lift, lift_error = results.lift()
    return {
        "seconds": round(seconds, 3),
        "sessions": results.visits,
        "pages": results.pages,
        "events": results.events,
        "profiles": results.profiles,
        "missing_profiles": results.missing_profiles,
        "empty_lists": results.empty_lists,
        "profile_wait_ms": {"p50": quantile(waits_ms, 0.5), "p99": quantile(waits_ms, 0.99)},
        **{name: arm(getattr(results, name)) for name in ("heliotrope", "popularity", "uniform", "best")},
        "ratio_to_uniform": _known(lift) if lift else None,
        "ratio_standard_error": _known(lift_error),
        "share_of_possible": round(results.share_of_possible(), 4),
    }


def arm(ratio: Ratio) -> dict[str, Any]:
    """Return one arm as plain values."""
    return {
        "click_through": round(ratio.value, 6),
        "standard_error": _known(ratio.standard_error),
        "clicks": round(ratio.y, 3),
        "shown": int(ratio.x),
        "sessions": ratio.visits,
    }


def quantile(values: list[float], share: float) -> float | None:
    """Return the smallest value that at least this share does not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 3)


def _known(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
