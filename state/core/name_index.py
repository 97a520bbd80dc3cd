"""Names by hash, for the compiled core to find their numbers."""

import numpy as np
from numpy.typing import NDArray

from state.kernels.core.record import fill_index, move_in

INDEX_SHARE = 4
"""Slots of an index for each name; it is made anew when it fills."""


class NameIndex:
    """Index of a column of names by hash, kept up to date."""

    def __init__(self) -> None:
        self.slots = np.full((16, 2), -1, np.int64)
        self.hashes = np.zeros(0, np.int64)
        self._left = 0

    @property
    def mask(self) -> int:
        """One less than the number of slots."""
        return len(self.slots) - 1

    def fill(self, names: int, count: int, is_held: NDArray[np.uint8]) -> None:
        """Index the held ones of so many names at that address."""
        size = 16
        while size < INDEX_SHARE * count:
            size *= 2
        self.slots = np.full((size, 2), -1, np.int64)
        self.hashes = np.zeros(max(2 * count, 16), np.int64)
        self._left = size // 2 - count
        at = self.slots.ctypes.data
        fill_index(names, count, is_held.ctypes.data, at, self.mask, self.hashes.ctypes.data)

    def can_take(self, count: int, changes: int) -> bool:
        """Return whether so many changes find room, up to so many names."""
        return count <= len(self.hashes) and changes < self._left

    def move(self, names: int, number: int, is_held: bool) -> None:
        """Bring a number up to date that stands for another name, or for none."""
        self._left -= 1
        hashes = self.hashes
        move_in(names, number, is_held, self.slots.ctypes.data, self.mask, hashes.ctypes.data, len(hashes))
