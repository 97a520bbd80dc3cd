"""The job as a `flink run` command: the job's module, its packages as a zip, its configuration."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cli.errors import UserError
from cli.stack.layout import PACKAGES, Layout, package_folder, source_root
from cli.stack.login_modules import JAR_NAME
from cli.stack.services import Service, flink_environment, flink_java_options

ENTRY = Path("jobs") / "personalize.py"
PACKED = ("*.py", "*.java", "*.nbi", "*.nbc")
REFUSAL = "heliotrope: "
"""Begins the line in which `jobs/personalize.py` says why it cannot start."""
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # the same files give the same zip


def refusal_in(output: str) -> str:
    """Return what the job itself said against its start, in one line; empty where it said nothing."""
    said = [line.removeprefix(REFUSAL) for line in output.splitlines() if line.startswith(REFUSAL)]
    return said[-1] if said else ""


def entry_file() -> Path:
    """Return the job's module.

    Raises:
        UserError: it is not installed.
    """
    path = package_folder("jobs") / ENTRY.name
    if not path.is_file():
        raise UserError(f"the job {path} is missing: install Heliotrope anew")
    return path


def pack(target: Path, names: Iterable[str] = PACKAGES) -> None:
    """Write the zip for `-pyfs`: the job, the modules that its operators import on the TaskManagers, the compiled kernels.

    A TaskManager of another kind of processor compiles its own.
    """
    from state.kernels import warm  # numba takes half a second to import, which only a submission should wait for
    from state.kernels.cache import is_complete

    if not is_complete():  # to load all of them would take half a second more
        warm()
    root = source_root()
    files = sorted(file for name in names for pattern in PACKED for file in (root / name).rglob(pattern))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            entry = zipfile.ZipInfo(str(file.relative_to(root)), ZIP_TIME)
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)


class Origin(NamedTuple):
    """The savepoint or checkpoint that a job resumes from. If `claimed`, Flink owns it from then on and removes it once newer
    ones do; `partly` lets go of state that no operator of the job has."""

    uri: str
    claimed: bool = True
    partly: bool = False


def run_service(layout: Layout, job_manager: str, origin: Origin | None = None, entry: Path | None = None) -> Service:
    """Return `flink run` for a JobManager at host:port."""
    # By names that Kafka documents, where the cluster's lib has the connector alone; `up` puts the jar next to that.
    modules = layout.run / JAR_NAME
    jars = ("-j", str(modules)) if modules.is_file() else ()
    script = package_folder("pyflink") / "bin" / "flink"
    restore: tuple[str, ...] = ()
    if origin is not None:
        mode = "claim" if origin.claimed else "no_claim"
        restore = ("-s", origin.uri, "-cm", mode, *(("-n",) if origin.partly else ()))
    job = ("-py", str(entry if entry is not None else entry_file()), "-pyfs", str(layout.packages))
    command = (str(script), "run", "-d", "-m", job_manager, *restore, *jars, *job, "--config", str(layout.job_config))
    environment = {**flink_environment(layout), **flink_java_options(layout)}
    return Service("flink-run", command, str(layout.logs / "flink-run.log"), environment)
