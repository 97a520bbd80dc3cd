"""What has changed of something, for those who hold copies of parts of it."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")
MOST_KEPT = 4_096


class Journal(Generic[T]):
    """The newest changes, and how many there have been in all.

    Attributes:
        count: changes so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._kept: deque[T] = deque(maxlen=MOST_KEPT)

    def note(self, what: T) -> None:
        """Note a change."""
        self.count += 1
        self._kept.append(what)

    def since(self, count: int) -> list[T] | None:
        """Return what has changed since there were so many changes, None where it is not known any more."""
        missing = self.count - count
        if missing > len(self._kept):
            return None
        return list(self._kept)[len(self._kept) - missing :]
