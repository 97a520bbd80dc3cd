"""Counts for `limits` in this process's memory: without threads, and bounded.

The library's own MemoryStorage starts a thread every 10 ms that walks over all keys, which a busy shop's sessions make too many of.
"""

import time
from collections.abc import Callable

from limits.storage import Storage

SWEEP_SECONDS = 1.0


class Counts(Storage):
    """Fixed windows by key. Those that have ended are swept once a second; with too many keys all begin anew."""

    STORAGE_SCHEME = None  # it is not made from a URL

    def __init__(self, most: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._most, self._clock = most, clock
        self._windows: dict[str, tuple[float, int]] = {}
        """The end of a key's window, and its count."""
        self._swept = clock()

    def __len__(self) -> int:
        """How many keys are held."""
        return len(self._windows)

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a storage raises; this one nothing."""
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a key's window, which begins with its first addition and lasts `expiry` seconds."""
        now = self._clock()
        self._sweep(now)
        end, count = self._windows.get(key, (0.0, 0))
        if end <= now:
            end, count = now + expiry, 0
        self._windows[key] = (end, count + amount)
        return count + amount

    def get(self, key: str) -> int:
        """Return the count of a key's current window."""
        end, count = self._windows.get(key, (0.0, 0))
        return count if end > self._clock() else 0

    def get_expiry(self, key: str) -> float:
        """Return the time at which a key's window ends."""
        return self._windows.get(key, (self._clock(), 0))[0]

    def check(self) -> bool:
        """Say whether it works."""
        return True

    def reset(self) -> int:
        """Forget everything; return how many keys that were."""
        count = len(self._windows)
        self._windows.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget a key."""
        self._windows.pop(key, None)

    def _sweep(self, now: float) -> None:
        if now - self._swept < SWEEP_SECONDS and len(self._windows) < self._most:
            return
        self._swept = now
        self._windows = {key: window for key, window in self._windows.items() if window[0] > now}
        if len(self._windows) >= self._most:
            self._windows.clear()
