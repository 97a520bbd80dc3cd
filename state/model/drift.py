"""Watching rewards for a change of the world: ADWIN, and what a shorter memory would be."""

from collections.abc import Mapping
from typing import Any

import msgspec

from state.codec import damaged, unpack
from state.configuration import Bandit
from state.model.river.codec import decode, encode

_VERSION = b"\x01"
SHORTENED = 0.5
"""A half-life becomes this share of itself at each drift."""


class DriftWatch:
    """Bifet and Gavaldà 2007, "Learning from time-changing data with adaptive windowing": two windows of the newest rewards
    differ by more than chance allows at level `delta`. Depends on the order of the rewards, so one shard watches."""

    def __init__(self, delta: float = 0.002) -> None:
        from river.drift import ADWIN

        self._adwin: Any = ADWIN(delta=delta)

    def observe(self, reward: float) -> bool:
        """Take the reward of an exposure in; True where the mean has changed, up or down, and older rewards were dropped."""
        self._adwin.update(reward)
        return bool(self._adwin.drift_detected)

    @property
    def mean(self) -> float:
        """Mean reward since the last change."""
        return float(self._adwin.estimation)

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return encode(self._adwin)

    @classmethod
    def decode(cls, data: bytes) -> "DriftWatch":
        """Invert `encode`. Raises UnreadableError as `state.model.river.codec.decode` does."""
        watch, adwin = cls(), decode(data)
        if type(adwin) is not type(watch._adwin):
            raise damaged("a drift watch", f"it holds a {type(adwin).__name__}")
        watch._adwin = adwin
        return watch


class DriftState(msgspec.Struct, array_like=True):
    """State of a variant's rewards: exposures that were watched, their mean reward since the last drift, how many drifts were
    found, how many of them downwards, and when the last was found, 0 for never."""

    variant: str
    exposures: int = 0
    mean: float = 0.0
    drifts: int = 0
    falls: int = 0
    drifted_at_ms: int = 0


class DriftWatches:
    """A watch for each of the variants that choose by the same statistics, over the rewards of their closed exposures.

    `waiting` rewards were handed in and are not yet watched, so that a restart finds them.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, list[float]] = {}
        self.watched: dict[str, DriftState] = {}
        self._adwins: dict[str, DriftWatch] = {}
        self._encoded: dict[str, bytes] = {}

    def add(self, rewards: Mapping[str, list[float]]) -> None:
        """Hand rewards in, by variant and in the order of closing."""
        for variant, values in rewards.items():
            self.waiting.setdefault(variant, []).extend(values)

    def observe(self, delta: float, now_ms: int) -> tuple[int, int]:
        """Watch what waits; return the number of drifts, and how many of them are falls of the mean reward.

        A rise is what learning looks like; only a fall says that what was learned is not true any more.
        """
        before = self._count()
        for variant, rewards in self.waiting.items():
            watch = self._adwins.setdefault(variant, DriftWatch(delta))
            watched = self.watched.setdefault(variant, DriftState(variant))
            for reward in rewards:
                mean = watch.mean
                if watch.observe(reward):
                    watched.drifts += 1
                    watched.falls += watch.mean < mean
                    watched.drifted_at_ms = now_ms
            watched.exposures += len(rewards)
            watched.mean = watch.mean
            self._encoded[variant] = watch.encode()
        self.waiting = {}
        drifts, falls = self._count()
        return drifts - before[0], falls - before[1]

    def encode(self) -> bytes:
        """Return versioned bytes."""
        return _VERSION + msgspec.msgpack.encode([self.waiting, list(self.watched.values()), self._encoded])

    @classmethod
    def decode(cls, data: bytes) -> "DriftWatches":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        watches = cls()
        watches.waiting, watched, watches._encoded = unpack(data, (_VERSION,), _stored, "a record of drift watches")
        watches.watched = {each.variant: each for each in watched}
        watches._adwins = {variant: DriftWatch.decode(adwin) for variant, adwin in watches._encoded.items()}
        return watches

    def _count(self) -> tuple[int, int]:
        watched = self.watched.values()
        return sum(each.drifts for each in watched), sum(each.falls for each in watched)


_stored: msgspec.msgpack.Decoder[tuple[dict[str, list[float]], list[DriftState], dict[str, bytes]]] = (
    msgspec.msgpack.Decoder(tuple[dict[str, list[float]], list[DriftState], dict[str, bytes]])
)


def shortened(bandit: Bandit, half_life_ms: int | None) -> int:
    """Return the half-life after a drift: half of what it was, or `drift_half_life` where nothing was forgotten; never less than
    `drift_least_half_life`, unless it was so already."""
    if half_life_ms is None:
        return bandit.drift_half_life_ms
    return min(half_life_ms, max(bandit.drift_least_half_life_ms, round(SHORTENED * half_life_ms)))
