"""Where the machine code of kernels is kept, and how another process finds it.

It is read from two places: beside the sources, where an install, an image or a job's archive has put it and where nobody needs to
be able to write; then from the user's own cache, `heliotrope/kernels` in NUMBA_CACHE_DIR or in the folder of caches. What had to be
compiled is written to both as far as they can be written. A TaskManager that unpacks a job anew at each start finds in the second
what it compiled for its own kind of processor. Nothing here may end a process: what cannot be read is compiled, and what cannot be
written is compiled again by the next process.
"""

import hashlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from numba import __version__ as numba_version
from numba.core import caching, config
from numba.misc.appdirs import AppDirs

RELEASES_KEPT = 3
"""States of the sources whose machine code stays in the user's cache; the oldest others go."""


def kernel_sources() -> list[Path]:
    """Return all that a kernel's machine code is made from."""
    folder = Path(__file__).parent
    return [*sorted(folder.rglob("*.py")), folder.parent / "feature_set.py"]


def sources_stamp(sources: list[Path]) -> str:
    """Return a digest of the texts of all sources of the kernels: another constant in any of them is another stamp."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


SOURCES_STAMP = sources_stamp(kernel_sources())


class Compilation(NamedTuple):
    """Numbers of kernels that this process has loaded and compiled; `foreign` of the latter were there for another processor,
    `broken` files could not be read and `unwritten` ones not be written."""

    loaded: int = 0
    compiled: int = 0
    foreign: int = 0
    broken: int = 0
    unwritten: int = 0

    def since(self, before: "Compilation") -> "Compilation":
        """Return what came between two moments."""
        return Compilation(*(now - then for now, then in zip(self, before, strict=True)))


_so_far = Compilation()


def compilation() -> Compilation:
    """Return what this process has loaded and compiled so far."""
    return _so_far


def _count(**more: int) -> None:
    global _so_far
    _so_far = _so_far._replace(**{name: getattr(_so_far, name) + number for name, number in more.items()})


def own_folder() -> Path:
    """Return the folder in the user's cache for this state of the sources.

    Its files are pickles, so it must be a folder that nobody else can write to: never one in the system's temporary folder.
    """
    configured = config.CACHE_DIR
    caches = (
        Path(configured) / "heliotrope" if configured else AppDirs(appname="heliotrope", appauthor=False).user_cache_dir
    )
    return Path(caches) / "kernels" / SOURCES_STAMP[:16]


def _complete_file() -> Path:
    return Path(__file__).parent / "__pycache__" / "complete"


def _this_machine_and_sources() -> str:
    from numba.core.registry import cpu_target

    return repr((SOURCES_STAMP, numba_version, cpu_target.target_context.codegen().magic_tuple()))


def note_complete() -> None:
    """Note that all kernels of these sources are kept for this kind of processor."""
    with suppress(OSError):
        _complete_file().write_text(_this_machine_and_sources(), encoding="utf-8")


def is_complete() -> bool:
    """Return whether that is known, without loading one."""
    try:
        return _complete_file().read_text(encoding="utf-8") == _this_machine_and_sources()
    except (OSError, ValueError):
        return False


class _Beside(caching.InTreeCacheLocator):  # type: ignore[misc]
    """The folder next to the sources, also if it cannot be written to."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_Beside":
        """Return a locator, whether or not the folder can be written to."""
        return cls(py_func, py_file)

    def get_source_stamp(self) -> str:
        """Return that of all sources: numba's own knows the text of one file, and kernels call each other across files."""
        return SOURCES_STAMP


class _KernelCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Beside,)


class KernelCache(caching.FunctionCache):  # type: ignore[misc]
    """Machine code of one kernel, valid for one state of all sources."""

    _impl_class = _KernelCacheImpl

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._folders = (Path(self._cache_path), own_folder() / Path(self._cache_path).parent.name)
        name = self._impl.filename_base
        self._files = [caching.IndexDataCacheFile(str(folder), name, SOURCES_STAMP) for folder in self._folders]

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the machine code for a signature; None if it must be compiled."""
        target_context.refresh()
        key, is_foreign = self._index_key(sig, target_context.codegen()), False
        for file in self._files:
            try:
                data = file.load(key)
                if data is not None:
                    found = self._impl.rebuild(target_context, data)
                    _count(loaded=1)
                    return found
                is_foreign |= any(kept[0] == sig and kept[2] == key[2] for kept in file._load_index())
            except Exception:  # cut off when the machine went down, or not ours to read
                _count(broken=1)
        _count(compiled=1, foreign=int(is_foreign))
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, wherever it can be."""
        if not self._impl.check_cachable(data):
            return
        key, payload = self._index_key(sig, data.codegen), self._impl.reduce(data)
        is_written = False
        for folder, file in zip(self._folders, self._files, strict=True):
            with suppress(Exception):  # read-only, or full
                if not folder.is_dir():
                    folder.mkdir(mode=0o700, parents=True)
                    _forget_old_releases()
                file.save(key, payload)
                is_written = True
        _count(unwritten=int(not is_written))


def _forget_old_releases() -> None:
    """Removes the oldest folders of the user's cache: each state of the sources has one."""
    releases = sorted(own_folder().parent.iterdir(), key=lambda folder: folder.stat().st_mtime_ns, reverse=True)
    for old in releases[RELEASES_KEPT:]:
        if old != own_folder():
            shutil.rmtree(old, ignore_errors=True)
