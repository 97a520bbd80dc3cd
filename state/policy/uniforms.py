"""Uniform random numbers for kernels, drawn many at a time: a call of the generator takes longer than the numbers."""

import numpy as np

SIZE = 1 << 12


class Uniforms:
    """Numbers each handed out once, in the generator's order."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._numbers = np.zeros(0)
        self._address = self._next = 0

    def allocate(self, size: int) -> int:
        """Return the address of so many float64 in [0, 1); they stay there until the next call."""
        if self._next + size > len(self._numbers):
            left = self._numbers[self._next :]
            self._numbers = np.concatenate([left, self._rng.random(max(SIZE, size))])
            self._address, self._next = int(self._numbers.ctypes.data), 0
        found = self._address + self._numbers.itemsize * self._next
        self._next += size
        return found
