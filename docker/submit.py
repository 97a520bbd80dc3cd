"""Submits the job unless it runs already, from the newest checkpoint or savepoint there is: the one-shot `submit` service.

A session cluster forgets its jobs when the JobManager restarts; running this again resumes the job where it was.
"""

import argparse
import os
import sys
import urllib.request
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

FLINK = "/opt/flink/bin/flink"
JOB_NAME = "heliotrope-personalize"
ENDED = frozenset({"FINISHED", "FAILED", "CANCELED"})


def newest_snapshot(state: Path) -> Path | None:
    """The folder of the newest complete checkpoint or savepoint below `state`; None where there is none.

    `_metadata` is written last, so a folder without one is no complete snapshot.
    """
    found = [*state.glob("checkpoints/*/chk-*/_metadata"), *state.glob("savepoints/savepoint-*/_metadata")]
    return max(found, key=lambda file: file.stat().st_mtime_ns).parent if found else None


def jobs_of(url: str) -> list[dict[str, Any]]:
    """All jobs that the JobManager at `url` knows. Raises OSError where it does not answer."""
    with urllib.request.urlopen(f"{url}/jobs/overview", timeout=10) as answer:  # noqa: S310  # always http
        return list(msgspec.json.decode(answer.read())["jobs"])


def live_job(overview: Iterable[dict[str, Any]]) -> str | None:
    """The id of a job of ours that has not ended, from Flink's `/jobs/overview`."""
    return next((job["jid"] for job in overview if job["name"] == JOB_NAME and job["state"] not in ENDED), None)


def run_command(job_manager: str, entry: str, snapshot: Path | None, config: str | None) -> list[str]:
    """`flink run`, detached; a snapshot becomes the new job's own."""
    restore = [] if snapshot is None else ["-s", snapshot.as_uri(), "-cm", "claim"]
    own = [] if config is None else ["--config", config]
    return [FLINK, "run", "-d", "-m", job_manager, *restore, "-py", entry, *own]


def main(arguments: list[str]) -> None:
    """Looks for a live job, then becomes `flink run`."""
    parser = argparse.ArgumentParser(prog="submit.py", description=__doc__)
    parser.add_argument("--jobmanager", default="jobmanager:8081", metavar="HOST:PORT")
    parser.add_argument("--state", type=Path, default=Path("/opt/heliotrope/state"))
    parser.add_argument("--config")
    options = parser.parse_args(arguments)
    try:
        job = live_job(jobs_of(f"http://{options.jobmanager}"))
    except OSError as error:
        sys.exit(f"heliotrope: no JobManager answers at {options.jobmanager} ({error}): start it first")
    if job is not None:
        sys.stdout.write(f"job {job} runs already: nothing submitted\n")
        return
    module = find_spec("jobs.personalize")
    if module is None or module.origin is None:
        sys.exit("heliotrope: the package is not installed in this image: build it anew")
    snapshot = newest_snapshot(options.state)
    sys.stdout.write(f"submitting, {'from an empty state' if snapshot is None else f'resuming from {snapshot}'}\n")
    sys.stdout.flush()
    command = run_command(options.jobmanager, module.origin, snapshot, options.config)
    os.execv(command[0], command)  # noqa: S606  # the arguments are the image's own, and no shell reads them


if __name__ == "__main__":
    main(sys.argv[1:])
