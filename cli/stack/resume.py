"""From where a job goes on: the newest savepoint or retained checkpoint of this stack's own jobs."""

import os
import shutil
import struct
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import msgspec

from cli.errors import UserError
from cli.stack.layout import Layout, file_uri

JOBS_KEPT = 100
MAGIC = 0x4960672D
"""Begins Flink's `_metadata`; a version and the number of the checkpoint follow."""
_header = struct.Struct(">iiq")


class KnownJob(msgspec.Struct, omit_defaults=True):
    """A job that this stack submitted. `checkpoints` is the folder of its checkpoints, empty for the work directory's own;
    `completed` whether one was completed, None where an earlier release submitted it and did not note that."""

    id: str
    checkpoints: str = ""
    completed: bool | None = False


class MissingStateError(UserError):
    """Data was kept, and the state that goes with it is not where it was. Put it back, or start empty with `up --fresh`."""


def remember_job(layout: Layout, job_id: str, checkpoint_uri: str = "") -> None:
    """Add a submitted job: its checkpoints are candidates from now on."""
    folder = "" if checkpoint_uri == own_checkpoints(layout) else checkpoint_uri
    jobs = [job for job in known_jobs(layout) if job.id != job_id]
    _write(layout.jobs, [*jobs, KnownJob(job_id, folder)][-JOBS_KEPT:])


def remember_checkpoint(layout: Layout, job_id: str) -> None:
    """Note that the job has completed a checkpoint: from now on there is state to miss."""
    jobs = known_jobs(layout)
    for job in jobs:
        if job.id == job_id:
            job.completed = True
    _write(layout.jobs, jobs)


def known_jobs(layout: Layout) -> list[KnownJob]:
    """Return the jobs that this stack submitted, oldest first."""
    try:
        jobs = msgspec.json.decode(layout.jobs.read_bytes(), type=list[str | KnownJob])
    except (OSError, msgspec.DecodeError):
        return []
    return [KnownJob(job, completed=None) if isinstance(job, str) else job for job in jobs]


def remember_savepoint(layout: Layout, location: str) -> None:
    """Name the savepoint that `down --keep-data` made, relative where it is in the work directory, which may be moved."""
    for path in local_paths(location):
        if path.is_relative_to(layout.data):
            location = str(path.relative_to(layout.data))
    _write(layout.savepoint, [location])


def resume_point(layout: Layout) -> str | None:
    """Return the newest complete savepoint or checkpoint as a URI; None where there was never any, then the job starts empty.

    Raises:
        MissingStateError: there was one, and it is gone.
    """
    saved = _savepoints(layout)
    candidates = [path for location in saved for path in _paths_of(layout, location)]
    jobs = known_jobs(layout)
    for job in jobs:
        for folder in local_paths(job.checkpoints or own_checkpoints(layout)):
            candidates += sorted((folder / job.id).glob("chk-*"))
    complete = [(number, path) for path in candidates if (number := checkpoint_number(path)) is not None]
    if complete:
        return file_uri(max(complete)[1])
    # What lies elsewhere than in a local folder cannot be listed here, but a savepoint's path is known.
    elsewhere = next((location for location in saved if urlsplit(location).scheme not in ("", "file")), None)
    if elsewhere is None and (saved or any(job.completed is not False for job in jobs)):
        raise MissingStateError(_what_is_missing(layout, saved, jobs))
    return elsewhere


def _what_is_missing(layout: Layout, saved: list[str], jobs: list[KnownJob]) -> str:
    if saved:
        path = _paths_of(layout, saved[-1])[0]
        what = f"the savepoint {path} is {'damaged' if path.exists() else 'gone'}"
    else:
        job = next(job for job in reversed(jobs) if job.completed is not False)
        what = f"no complete checkpoint of job {job.id} is left in {job.checkpoints or own_checkpoints(layout)}"
    return f"{what}, so the data in {layout.root} cannot be resumed: put it back, or start empty with `heliotrope up --fresh`"


def checkpoint_number(folder: Path) -> int | None:
    """Return the number of a complete checkpoint or savepoint, which grows over all of its lineage; None where it cannot be
    read."""
    try:
        with (folder / "_metadata").open("rb") as stream:
            magic, _, number = _header.unpack(stream.read(_header.size))
    except (OSError, struct.error):
        return None
    return int(number) if magic == MAGIC else None


def adopt_log(layout: Layout) -> None:
    """Bring the broker's log home: an earlier release wrote its folder's name in UTF-8, and the broker read it as Latin-1."""
    own, misread = layout.data / "kafka", _misread(layout.data / "kafka")
    if misread != own and misread.is_dir() and not own.exists():
        shutil.move(misread, own)


def _misread(path: Path) -> Path:
    return Path(str(path).encode().decode("latin-1"))


def remove_outside(layout: Layout) -> None:
    """Remove the state that this stack's jobs left outside of its work directory: checkpoints where they were configured to be.

    For a name that is not ASCII an earlier release has made siblings: Flink took percent-encoded paths as they are.
    """
    for job in known_jobs(layout):
        if job.checkpoints:
            for folder in local_paths(job.checkpoints):
                shutil.rmtree(folder / job.id, ignore_errors=True)
    for sibling in {Path(quote(str(layout.root))), _misread(layout.root)} - {layout.root}:
        for name in ("checkpoints", "savepoints", "changelog", "kafka"):
            shutil.rmtree(sibling / "data" / name, ignore_errors=True)
        (sibling / "logs" / "kafka.log").unlink(missing_ok=True)
        for empty in (sibling / "data", sibling / "logs", sibling):
            with suppress(OSError):
                empty.rmdir()


def newest_below(folder: Path) -> str | None:
    """Return the newest complete checkpoint or savepoint of any job below a folder, as a URI; by time, as lineages may differ."""
    found = [
        *folder.glob("*/chk-*/_metadata"),
        *folder.glob("savepoint-*/_metadata"),
        *folder.glob("*/savepoint-*/_metadata"),
    ]
    complete = [file for file in found if checkpoint_number(file.parent) is not None]
    return file_uri(max(complete, key=lambda file: file.stat().st_mtime_ns).parent) if complete else None


def own_checkpoints(layout: Layout) -> str:
    """Return where the checkpoints are if nothing else is configured."""
    return file_uri(layout.data / "checkpoints")


def local_paths(uri: str) -> list[Path]:
    """Return the local folders that a URI may mean, as it stands, percent-decoded and percent-encoded; none for other file
    systems."""
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file"):
        return []
    raw = uri.removeprefix("file:")
    raw = raw[2:] if raw.startswith("//") else raw
    return [Path(path) for path in dict.fromkeys((raw, unquote(raw), quote(raw)))]


def _paths_of(layout: Layout, location: str) -> list[Path]:
    """Where a savepoint may be: where it was written, else at the same path of a work directory that was moved since."""
    found = [path if path.is_absolute() else layout.data / path for path in local_paths(location)]
    return [*found, *(layout.data / "savepoints" / path.name for path in found[:1])]


def _savepoints(layout: Layout) -> list[str]:
    try:
        return msgspec.json.decode(layout.savepoint.read_bytes(), type=list[str])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.DecodeError):
        return [str(layout.savepoint)]


def _write(path: Path, value: object) -> None:
    """Replaces a file as a whole: half of it would lose the state."""
    partial = path.with_suffix(".part")
    partial.write_bytes(msgspec.json.encode(value))
    os.replace(partial, path)
