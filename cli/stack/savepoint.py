"""The savepoint of `down --keep-data`."""

import time
from contextlib import suppress

from cli.errors import UserError
from cli.stack.flink_rest import FlinkRest
from cli.stack.layout import Layout, file_uri
from cli.stack.record import Job, StackRecord
from cli.stack.resume import remember_savepoint, resume_point
from cli.stack.status import raw_job

SAVEPOINT_SECONDS = 120.0
POLL_SECONDS = 0.1


def stop_with_savepoint(layout: Layout, record: StackRecord) -> str:
    """Stop the job with a savepoint and return its place; where that fails, a retained checkpoint does as well.

    Raises:
        UserError: there is neither.
    """
    job = raw_job(record)
    try:
        location = _write_savepoint(FlinkRest(record.flink), job, file_uri(layout.data / "savepoints"))
        remember_savepoint(layout, location)
        return location
    except (UserError, OSError, TimeoutError) as error:
        point = None
        with suppress(UserError):
            point = resume_point(layout)
        if point is None:
            raise UserError(
                f"no savepoint could be made ({error}) and there is no checkpoint: wait until `heliotrope status` "
                "shows the job RUNNING, or stop without --keep-data"
            ) from None
        return point


def _write_savepoint(rest: FlinkRest, job: Job, target: str) -> str:
    if job.state != "RUNNING":
        raise UserError(f"the job is {job.state}")
    trigger = rest.stop_with_savepoint(job.id, target)
    deadline = time.monotonic() + SAVEPOINT_SECONDS
    while time.monotonic() < deadline:
        location = rest.savepoint(job.id, trigger)
        if location is not None:
            return location
        time.sleep(POLL_SECONDS)
    raise TimeoutError(f"not written within {SAVEPOINT_SECONDS:.0f} s")
