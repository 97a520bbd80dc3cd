"""The jars that no Python package brings: Kafka's broker and Flink's Kafka connector, pinned by SHA-256.

They are fetched by `jgo` into `<sys.prefix>/share/heliotrope/jars`, and so live and go with the virtual environment.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

from cli.errors import UserError

LOCK = Path(__file__).with_name("jars.lock")
STAMP = ".verified"
CONNECTOR = "flink-sql-connector-kafka"
FETCHERS = 6


class Jar(NamedTuple):
    """A pinned artifact: `coordinate` is group:artifact:version, `sha256` in hex."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        """The artifact's usual file name."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    @property
    def is_connector(self) -> bool:
        """Whether it belongs to Flink rather than to the broker."""
        return f":{CONNECTOR}:" in self.coordinate


def read_lock(path: Path = LOCK) -> list[Jar]:
    """Return the pinned jars: one `sha256 group:artifact:version` a line, `#` begins a comment."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [Jar(fields[1], fields[0]) for fields in lines if fields and not fields[0].startswith("#")]


def connectors(paths: Iterable[Path]) -> list[Path]:
    """Return those of the jars that Flink needs in its own `lib/`."""
    return [path for path in paths if path.name.startswith(CONNECTOR)]


def folder() -> Path:
    """Return where the jars lie."""
    return Path(sys.prefix) / "share" / "heliotrope" / "jars"


def sum_of(path: Path) -> str:
    """Return SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(path: Path, jar: Jar) -> None:
    """Compare a file with its pin.

    Raises:
        UserError: they differ.
    """
    found = sum_of(path)
    if found != jar.sha256:
        raise UserError(
            f"{jar.filename} has the SHA-256 {found}, pinned is {jar.sha256}: delete {path} and run `heliotrope fetch`; "
            "if it stays so, what is served is not what Heliotrope was tested with"
        )


def missing(jars: Iterable[Jar], where: Path) -> list[Jar]:
    """Return the jars that are not there; the sums of those that are there are checked.

    Raises:
        UserError: a sum differs from its pin.
    """
    absent = []
    for jar in jars:
        path = where / jar.filename
        if path.is_file():
            check(path, jar)
        else:
            absent.append(jar)
    return absent


def installed(where: Path | None = None) -> list[Path]:
    """Return all jars, once they were verified; look at names and the stamp only, since every `up` calls it.

    Raises:
        UserError: a jar is missing, or the set was never verified as a whole.
    """
    base = where if where is not None else folder()
    paths = [base / jar.filename for jar in read_lock()]
    if not _stamped(base) or not all(path.is_file() for path in paths):
        raise UserError(f"the jars of Kafka and Flink are missing from {base}: run `heliotrope fetch`")
    return paths


def fetch(report: Callable[[int, int, str], None], where: Path | None = None) -> int:
    """Bring what is missing, verifies all and return how many were fetched. `report` takes (done, of, name).

    Raises:
        UserError: a jar cannot be had, or its sum differs from its pin.
    """
    base = where if where is not None else folder()
    jars = read_lock()
    base.mkdir(parents=True, exist_ok=True)
    absent = missing(jars, base)
    if absent:
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=base) as cache:
            _fetch_all(absent, base, Path(cache), report)
    (base / STAMP).write_text(sum_of(LOCK), encoding="ascii")
    return len(absent)


def _fetch_all(jars: list[Jar], base: Path, cache: Path, report: Callable[[int, int, str], None]) -> None:
    with ThreadPoolExecutor(FETCHERS) as pool:
        futures = {pool.submit(_fetch_one, jar, base, cache): jar for jar in jars}
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                report(done, len(jars), futures[future].filename)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(jar: Jar, base: Path, cache: Path) -> None:
    from jgo.maven import MavenContext  # takes a second to import, and only a first `fetch` needs it

    group, artifact, version = jar.coordinate.split(":")
    try:
        project = MavenContext(repo_cache=cache, timeout=60).project(group, artifact)
        path = Path(project.at_version(version).artifact().resolve())
    except Exception as error:  # jgo raises whatever its HTTP client or the file system does
        raise UserError(
            f"cannot fetch {jar.coordinate}: {type(error).__name__}: check the network or the proxy, then run "
            "`heliotrope fetch` again; it goes on where it stopped"
        ) from error
    check(path, jar)
    partial = base / f"{jar.filename}.{os.getpid()}"
    shutil.move(path, partial)
    partial.replace(base / jar.filename)


def _stamped(base: Path) -> bool:
    try:
        return (base / STAMP).read_text(encoding="ascii") == sum_of(LOCK)
    except OSError:
        return False
