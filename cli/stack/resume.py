"""From where a job goes on: the newest savepoint or retained checkpoint of this stack's own jobs."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from cli.stack.layout import Layout

JOBS_KEPT = 100


def remember_job(layout: Layout, job_id: str) -> None:
    """Adds a submitted job: its checkpoints are candidates from now on."""
    jobs = [job for job in known_jobs(layout) if job != job_id]
    layout.jobs.write_bytes(msgspec.json.encode([*jobs, job_id][-JOBS_KEPT:]))


def known_jobs(layout: Layout) -> list[str]:
    """The jobs that this stack submitted, oldest first."""
    return _read(layout.jobs)


def remember_savepoint(layout: Layout, location: str) -> None:
    """Names the savepoint that `down --keep-data` made."""
    layout.savepoint.write_bytes(msgspec.json.encode([location]))


def resume_point(layout: Layout, checkpoint_uri: str) -> str | None:
    """The newest complete savepoint or checkpoint as a URI; None where there is none, then the job starts empty."""
    candidates = [_local(location) for location in _read(layout.savepoint)]
    folder = _local(checkpoint_uri)
    if folder is not None:
        candidates += [point for job in known_jobs(layout) for point in (folder / job).glob("chk-*")]
    complete = [point / "_metadata" for point in candidates if point is not None and (point / "_metadata").is_file()]
    if not complete:
        # What lies elsewhere than in a local folder cannot be listed here, but a savepoint's place is known.
        return next((location for location in _read(layout.savepoint) if _local(location) is None), None)
    return max(complete, key=lambda file: file.stat().st_mtime_ns).parent.as_uri()


def _local(uri: str) -> Path | None:
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("", "file") else None


def _read(path: Path) -> list[str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[str])
    except (OSError, msgspec.DecodeError):
        return []
