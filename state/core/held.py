"""Arrays that kernels read by their addresses, held for as long as they may."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from state.kernels.core.text import PADDING


class Held:
    """Arrays by name. One that is put in the place of another lets that one go."""

    def __init__(self) -> None:
        self._arrays: dict[str, Any] = {}
        self._elsewhere: dict[str, tuple[int, int]] = {}
        self._kept: object = None

    def put(self, name: str, array: NDArray[Any]) -> int:
        """Hold an array; return its address.

        Raises:
            ValueError: it does not lie in one piece.
        """
        if not array.flags.c_contiguous:
            raise ValueError(f"{name} does not lie in one piece")
        self._arrays[name] = array
        return int(array.ctypes.data)

    def allow(self, name: str, address: int, size: int) -> None:
        """Note what is held elsewhere."""
        self._elsewhere[name] = address, size

    def text(self, name: str, text: bytes) -> int:
        """Hold a text, with bytes behind it that may be read; return its address."""
        return self.put(name, np.frombuffer(text + bytes(PADDING), np.uint8))

    def keep(self, what: object) -> None:
        """Hold whatever some of the arrays are views of, or hold addresses of."""
        self._kept = what

    def regions(self) -> list[tuple[int, int]]:
        """Return begins and lengths of all, for the checked mode."""
        return [
            *((int(array.ctypes.data), int(array.nbytes)) for array in self._arrays.values()),
            *self._elsewhere.values(),
        ]
