"""Which names that visitors send get a list of their own: a bounded number, however many are invented.

The first names that come are admitted at once, as many as half of the bound: so a shop with few regions counts from its
first event. Every other must first be seen `support` times in a window. That is found with the Space-Saving sketch
(Metwally, Agrawal, El Abbadi 2005, "Efficient computation of frequent and top-k elements in data streams"): of so many
counters, a new name takes over the smallest and the error that it may have. Only what is certain, the count less the error,
is support.

A name that was admitted stays so until it was not seen for as long as its list lives, and only then makes room for another.
"""

from state.configuration import Popularity
from state.popularity.names import RESERVED, WHOLE

LIFE_WINDOWS = 3
"""The window that counts a name, and two more in which its list is read."""
COUNTERS = 1_024
"""Of names that wait to be admitted."""


class Admission:
    """Names admitted, at most `most`, the first `at_once` of them without support; times in ms by the wall clock.

    Not in state: after a restart the names come again.
    """

    def __init__(self, most: int, at_once: int, support: int, window_ms: int) -> None:
        self._most = most
        self._at_once = min(most, at_once)
        self._support = support
        self._window_ms = window_ms
        self._seen_ms: dict[str, int] = {}
        self._waiting: dict[str, tuple[int, int]] = {}
        self._waiting_since_ms = 0
        self._looked_ms = 0

    def __len__(self) -> int:
        """Names that are admitted."""
        return len(self._seen_ms)

    def admits(self, name: str, now_ms: int) -> bool:
        """Return whether the name is counted on its own, as of this sight of it."""
        if name in self._seen_ms:
            self._seen_ms[name] = now_ms
            return True
        if not is_countable(name):
            return False
        if len(self._seen_ms) >= self._at_once:
            self._make_room(now_ms)
        if len(self._seen_ms) < self._at_once or (self._has_support(name, now_ms) and len(self._seen_ms) < self._most):
            self._seen_ms[name] = now_ms
            self._waiting.pop(name, None)
            return True
        return False

    def _has_support(self, name: str, now_ms: int) -> bool:
        if now_ms - self._waiting_since_ms >= self._window_ms:
            self._waiting, self._waiting_since_ms = {}, now_ms
        count, error = self._waiting.get(name, (0, 0))
        if not count and len(self._waiting) >= COUNTERS:
            smallest = min(self._waiting, key=self._waiting.__getitem__)
            count = error = self._waiting.pop(smallest)[0]
        self._waiting[name] = (count + 1, error)
        return count + 1 - error >= self._support

    def _make_room(self, now_ms: int) -> None:
        """Forgets names that were not seen for their lists' life; looks at all of them now and then."""
        life_ms = LIFE_WINDOWS * self._window_ms
        if now_ms - self._looked_ms < self._window_ms // 8:
            return
        self._looked_ms = now_ms
        self._seen_ms = {name: seen_ms for name, seen_ms in self._seen_ms.items() if now_ms - seen_ms < life_ms}


def is_countable(name: str) -> bool:
    """Return whether a region or category of that name may have a list: a name of ours is nobody else's, and a key is to be
    readable."""
    return bool(name) and name != WHOLE and not name.startswith(RESERVED) and name.isprintable()


def admission_of(most: int, settings: Popularity, tasks: int) -> Admission:
    """Return the admission of one of so many tasks: what they admit without support is no more than half of the bound together."""
    return Admission(most, most // (2 * tasks), settings.admission_support, settings.window_ms)
