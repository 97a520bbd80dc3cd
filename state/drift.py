"""Watching rewards for a change of the world: ADWIN, and what a shorter memory would be."""

from typing import Any

from state.river.codec import decode, encode

SHORTENED = 0.5
"""A half-life becomes this share of itself at each drift."""


class DriftWatch:
    """Bifet and Gavaldà 2007, "Learning from time-changing data with adaptive windowing": two windows of the newest rewards
    differ by more than chance allows at level `delta`. Depends on the order of the rewards, so one shard watches."""

    def __init__(self, delta: float = 0.002) -> None:
        from river.drift import ADWIN

        self._adwin: Any = ADWIN(delta=delta)

    def observe(self, reward: float) -> bool:
        """Takes the reward of an exposure in; True where the mean has changed, up or down, and older rewards were dropped."""
        self._adwin.update(reward)
        return bool(self._adwin.drift_detected)

    @property
    def mean(self) -> float:
        """Mean reward since the last change."""
        return float(self._adwin.estimation)

    def encode(self) -> bytes:
        """Versioned bytes."""
        return encode(self._adwin)

    @classmethod
    def decode(cls, data: bytes) -> "DriftWatch":
        """The inverse of `encode`. Raises ValueError as `state.river.codec.decode` does."""
        watch = cls()
        watch._adwin = decode(data)
        return watch


def shortened(half_life_ms: int | None, fallback_ms: int, least_ms: int) -> int:
    """The half-life after a drift: half of what it was, or `fallback_ms` where nothing was forgotten; at least `least_ms`."""
    return max(least_ms, fallback_ms if half_life_ms is None else round(SHORTENED * half_life_ms))
