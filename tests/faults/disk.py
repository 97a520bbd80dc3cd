"""A work directory on a small disk of its own, which can be filled; without the right to mount, limits on the size of files."""

import os
import resource
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil

from tests.faults.world import World

SIZE = "1500m"
CHUNK = b"\0" * 1_048_576
LIMITED = ("taskmanager-1", "jobmanager", "kafka", "redis")


def mount(folder: Path) -> bool:
    """Puts a small disk there; False where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    return subprocess.run(("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", folder), check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Takes it away with all that is on it."""
    subprocess.run(("umount", "-l", folder), check=True)


def fill(world: World) -> None:
    """Takes every byte that is left; or lets no file of the stack grow."""
    if not world.workdir.is_mount():
        _limit(world, 0)
        return
    with suppress(OSError), _filler(world).open("wb", buffering=0) as file:
        while file.write(CHUNK):
            pass


def free(world: World) -> None:
    """Gives it back."""
    if not world.workdir.is_mount():
        _limit(world, resource.RLIM_INFINITY)
    _filler(world).unlink(missing_ok=True)


def forbid_checkpoints(world: World) -> None:
    """No file can be written below the checkpoints."""
    folder = _checkpoints(world)
    if os.geteuid() == 0:
        subprocess.run(("mount", "--bind", folder, folder), check=True)
        subprocess.run(("mount", "-o", "remount,ro,bind", folder), check=True)
    else:
        for path in (folder, *folder.glob("*/")):
            path.chmod(0o555)


def allow_checkpoints(world: World) -> None:
    """The files can be written again."""
    folder = _checkpoints(world)
    if os.geteuid() == 0:
        subprocess.run(("umount", "-l", folder), check=True)
    else:
        for path in (folder, *folder.glob("*/")):
            path.chmod(0o755)


def _checkpoints(world: World) -> Path:
    return world.workdir / "data" / "checkpoints"


def _filler(world: World) -> Path:
    return world.workdir / "filler"


def _limit(world: World, size: int) -> None:
    """A process that is started meanwhile has no limit: as if some room had been found."""
    for name in LIMITED:
        with suppress(psutil.Error, KeyError):
            psutil.Process(world.pid(name)).rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
