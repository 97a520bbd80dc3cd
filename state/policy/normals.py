"""Standard normal variables for posterior draws, at a fraction of the price of fresh ones."""

import numpy as np
from numpy.typing import NDArray

SIZE = 1 << 15
FRESH = 1_024
USES = 16
"""After so many uses, so many variables are replaced by fresh ones: every one has gone after 512 uses. Twice as often it would
be 4 µs of a decision instead of 2."""


class Normals:
    """A table of standard normal variables, of which each use takes a stretch from a random place on.

    A part of it is renewed every few uses. Within one use all variables are different ones of the table and so independent. Two
    uses share some, at other places of their matrices: that ties the exploration of two decisions together a little, and touches
    neither the distribution of one decision's draws nor its propensities, which are exact given the draws.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._table = np.zeros(0, dtype=np.float32)
        self._own = self._table
        self._address = self._oldest = self._uses = 0

    def draw(self, size: int) -> NDArray[np.float32]:
        """Return (size,), to be read only."""
        if 4 * size > SIZE:
            return self._rng.standard_normal(size, dtype=np.float32)
        start = self._start(size)
        return self._table[start : start + size]

    def address(self, size: int) -> int:
        """Return where the same begin in memory; they stay there until the next call."""
        if 4 * size > SIZE:
            self._own = self.draw(size)
            return int(self._own.ctypes.data)
        start = self._start(size)
        return self._address + self._table.itemsize * start

    def _start(self, size: int) -> int:
        if not len(self._table):
            self._table = self._rng.standard_normal(SIZE, dtype=np.float32)
            self._address = int(self._table.ctypes.data)
        self._renew()
        return int(self._rng.random() * (SIZE - size))

    def _renew(self) -> None:
        self._uses += 1
        if self._uses % USES:
            return
        self._rng.standard_normal(FRESH, dtype=np.float32, out=self._table[self._oldest : self._oldest + FRESH])
        self._oldest = (self._oldest + FRESH) % SIZE
