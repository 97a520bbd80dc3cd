"""How a kernel is compiled. `cache.py` keeps its machine code."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit, types
from numba.extending import intrinsic

from state.kernels.cache import KernelCache

_Function = TypeVar("_Function", bound=Callable[..., Any])

REARRANGING = {"contract", "reassoc", "nsz", "arcp", "nnan"}
"""Sums may be rearranged, and nothing is NaN: results may differ in the last bit from one release to the next."""


def kept(function: _Function, **options: Any) -> _Function:
    """Compile at the first call with numba's `options`, and keep the machine code for other processes."""
    kernel: Any = njit(function, **options)
    kernel._cache = KernelCache(kernel.py_func)  # what numba's own `enable_caching` does, with a stamp of all sources
    compiled_function: _Function = kernel
    return compiled_function


def compiled(function: _Function) -> _Function:
    """Compile for speed: sums may be rearranged."""
    return kept(function, fastmath=REARRANGING)


@intrinsic  # type: ignore[untyped-decorator]
def pointer(context: Any, address: Any) -> Any:
    """Return the pointer to an address: what does not change from call to call is passed by its address, because to unpack an array
    takes longer than many a loop over one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code
