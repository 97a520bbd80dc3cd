"""Where the embedded stack keeps its things: one work directory, made and removed as a whole."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from cli.endpoints import STACK_FILE
from cli.errors import UserError

PACKAGES = ("jobs", "operators", "state")  # what travels with the job
LOCK_FILE = "stack.lock"


class Layout(NamedTuple):
    """The paths below one work directory."""

    root: Path

    @classmethod
    def at(cls, workdir: Path) -> "Layout":
        """Return the layout of a work directory as it was named."""
        return cls(workdir.expanduser().absolute())

    @property
    def stack_file(self) -> Path:
        """What runs, for the other verbs; exists only while a stack is up."""
        return self.root / STACK_FILE

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor for its life, so that there is only one; marks the folder as ours, and so stays."""
        return self.root / LOCK_FILE

    @property
    def data(self) -> Path:
        """What `down` removes and `down --keep-data` keeps: Kafka's log, Redis' dump, checkpoints, the salt."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """Generated configuration; written anew by each `up`."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """Logs of the last run; they outlive `down`."""
        return self.root / "logs"

    @property
    def tmp(self) -> Path:
        """Temporary files of all processes."""
        return self.root / "tmp"

    @property
    def flink_conf(self) -> Path:
        """FLINK_CONF_DIR of clients, which go through the door."""
        return self.run / "flink"

    @property
    def cluster_conf(self) -> Path:
        """FLINK_CONF_DIR of JobManager and TaskManagers, with the keys by which they know each other."""
        return self.run / "cluster"

    @property
    def keys(self) -> Path:
        """Keys and certificates."""
        return self.run / "keys"

    @property
    def flink_lib(self) -> Path:
        """FLINK_LIB_DIR: links to Flink's own jars, its Python jar and the Kafka connector."""
        return self.run / "lib"

    @property
    def flink_opt(self) -> Path:
        """FLINK_OPT_DIR for a cluster that has Flink's Python jar in its own lib: what `flink run` sends instead of it."""
        return self.run / "opt"

    @property
    def flink_plugins(self) -> Path:
        """FLINK_PLUGINS_DIR: of Flink's plugins the one that sends metrics."""
        return self.run / "plugins"

    @property
    def metrics_targets(self) -> Path:
        """Where Prometheus finds the metrics, in the form of its `file_sd_configs`."""
        return self.run / "prometheus-targets.json"

    @property
    def job_config(self) -> Path:
        """The resolved configuration that the job is given."""
        return self.run / "heliotrope.yaml"

    @property
    def packages(self) -> Path:
        """The job's packages for `-pyfs`."""
        return self.run / "heliotrope.zip"

    @property
    def plan(self) -> Path:
        """What the supervisor is to start."""
        return self.run / "plan.json"

    @property
    def jobs(self) -> Path:
        """Identifiers of the jobs that this stack has submitted, oldest first: their checkpoints are its own."""
        return self.data / "jobs.json"

    @property
    def redis_password(self) -> Path:
        """The embedded Redis' password where the configuration names none: made once for the life of the data."""
        return self.data / "redis_password"

    @property
    def savepoint(self) -> Path:
        """Names the savepoint that the next `up` resumes from."""
        return self.data / "resume.json"


def prepare(workdir: Path) -> Layout:
    """Make the work directory and its empty folders for a new run; data of a kept run stays.

    Raises:
        UserError: the directory cannot be made or written to.
    """
    layout = Layout.at(workdir)
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        if any(character.isspace() for character in str(layout.root)):
            raise UserError(f"{layout.root}: Flink's scripts need a path without blanks: choose another --workdir")
        for folder in (layout.run, layout.tmp, layout.logs):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        layout.data.mkdir(mode=0o700, exist_ok=True)
        layout.root.chmod(0o700)  # whatever it was: passwords and keys lie in it
    except OSError as error:
        raise UserError(
            f"cannot use the work directory {layout.root}: {error.strerror}: choose another --workdir"
        ) from None
    return layout


def remove_data(layout: Layout, keep_data: bool = False) -> None:
    """Remove what a run has left, except its logs, and its data only where it is not kept."""
    for folder in (layout.run, layout.tmp, *(() if keep_data else (layout.data,))):
        shutil.rmtree(folder, ignore_errors=True)
    layout.stack_file.unlink(missing_ok=True)


@contextmanager
def private_files() -> Iterator[None]:
    """Let whatever is written meanwhile be for its owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def file_uri(path: Path) -> str:
    """Return a path as Flink reads URIs: it takes percent signs as they are, so `Path.as_uri()` would name another folder."""
    return f"file://{path}"


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, found without importing it.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"the package {name} is missing from {sys.prefix}: install Heliotrope's dependencies anew")
    return Path(next(iter(spec.submodule_search_locations)))


def source_root() -> Path:
    """Return the folder that holds `cli`, `jobs` and the other packages."""
    return package_folder("cli").parent


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read: it may hold secrets."""
    write_private_bytes(path, text.encode())


def write_private_bytes(path: Path, content: bytes) -> None:
    """Write bytes likewise; one that was there before keeps nothing of its rights."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
