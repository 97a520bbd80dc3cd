"""The first of a set that grows and shrinks, of which only the first are held."""

from bisect import bisect_left
from collections.abc import Iterable

Key = tuple[float, float, str]
"""What a product is ordered by, smallest first: less of its value, less of its time of creation, its id."""


class Shortlist:
    """Products whose keys are before `beyond`, in order; of what is not, nothing is known. At most `capacity` are held.

    Attributes:
        keys: what is held, first to last.
        beyond: everything that had to go is at or behind it; None while nothing had to.
    """

    def __init__(self, capacity: int, beyond: Key | None = None) -> None:
        self.keys: list[Key] = []
        self.beyond = beyond
        self._capacity = capacity

    def __contains__(self, key: Key) -> bool:
        index = bisect_left(self.keys, key)
        return index < len(self.keys) and self.keys[index] == key

    def has_room(self, key: Key) -> bool:
        """Return whether a product with this key is to be held."""
        return self._capacity > 0 and (self.beyond is None or key < self.beyond)

    def put(self, key: Key) -> Key | None:
        """Take a product in for which there is room; return what is not held because of that: another, or the very same."""
        self.keys.insert(bisect_left(self.keys, key), key)
        if len(self.keys) <= self._capacity:
            return None
        self.beyond = self.keys.pop()
        return self.beyond

    def remove(self, key: Key) -> int | None:
        """Take a product out; return the index that it had, None where it was not held."""
        index = bisect_left(self.keys, key)
        if index == len(self.keys) or self.keys[index] != key:
            return None
        del self.keys[index]
        return index

    def reorder(self, keys: Iterable[Key]) -> None:
        """Put the same products under other keys; only if nothing had to go."""
        self.keys = sorted(keys)
