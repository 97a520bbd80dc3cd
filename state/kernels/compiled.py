"""How a kernel is compiled and where its machine code is kept."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from numba import njit, types
from numba.core import caching
from numba.extending import intrinsic

_Function = TypeVar("_Function", bound=Callable[..., Any])

REARRANGING = {"contract", "reassoc", "nsz", "arcp", "nnan"}
"""Sums may be rearranged, and nothing is NaN: results may differ in the last bit from one release to the next."""


def _sources() -> list[Path]:
    """All that a kernel's machine code is made from."""
    folder = Path(__file__).parent
    return [*sorted(folder.glob("*.py")), folder.parent / "feature_set.py"]


def sources_stamp(sources: list[Path]) -> str:
    """Return a digest of the texts of all sources of the kernels: another constant in any of them is another stamp."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


SOURCES_STAMP = sources_stamp(_sources())


class _OfAllSources:
    """numba knows a function by the text of its own file. Kernels call each other across files, so all of them count."""

    def get_source_stamp(self) -> str:
        """See numba's `_CacheLocator`."""
        return SOURCES_STAMP


class _InTree(_OfAllSources, caching.InTreeCacheLocator):  # type: ignore[misc]
    """Keeps machine code beside the sources, from where it travels with a job."""


class _UserWide(_OfAllSources, caching.UserWideCacheLocator):  # type: ignore[misc]
    """Keeps machine code in the user's cache if the sources cannot be written beside."""


class _KernelCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_InTree, _UserWide)


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Machine code of one kernel, valid for one state of all sources."""

    _impl_class = _KernelCacheImpl


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
