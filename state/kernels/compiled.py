"""How a kernel is compiled."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compiled at its first call, and kept beside the source for other processes.

    What is kept is known by the text of the function's own module alone, so a kernel calls none of another module.
    """
    kernel: _Function = njit(function, cache=True, fastmath={"contract", "reassoc", "nsz", "arcp", "nnan"})
    return kernel
