"""What the tools ask of Flink's REST API."""

import time

from cli.errors import UserError
from cli.stack.flink_rest import FlinkRest
from operators.names import SESSION

NO_WATERMARK = -(2**63)
GATHERED_AFTER_S = 1.0
"""A JobManager answers with the metrics that it had, and gathers them anew meanwhile."""
TRIES = 4


def event_clock_ms(flink: str) -> int | None:
    """Return the session operators' event time, in ms since the epoch: the newest of the running jobs'; None where none has one
    yet.

    Read from the watermark that they pass on: the one that REST calls their input's is the smaller of two inputs, and one of
    them never has any.

    Raises:
        UserError: Flink does not answer.
    """
    rest = FlinkRest(flink)
    try:
        found = _watermarks(rest, rest.running_jobs())
    except (OSError, ValueError) as error:
        raise UserError(f"Flink at {flink} does not answer ({error}): look at `heliotrope status`") from None
    return max((clock for clock in map(clock_ms, found) if clock is not None), default=None)


def _watermarks(rest: FlinkRest, jobs: list[str]) -> list[list[dict[str, str]]]:
    """Of the session operators of each job that has some, as they are now; the JobManager gathers those of all jobs at once."""

    def read() -> list[list[dict[str, str]]]:
        return [found for job in jobs if (found := rest.operator_metrics(job, SESSION, "currentOutputWatermark"))]

    if not jobs:
        return []
    read()  # what it had before
    for _ in range(TRIES):
        time.sleep(GATHERED_AFTER_S)
        if found := read():
            return found
    return []


def clock_ms(metrics: list[dict[str, str]]) -> int | None:
    """Return the watermark of an operator: the smallest of its subtasks; None where it has none yet."""
    smallest = min((int(metric["value"]) for metric in metrics), default=NO_WATERMARK)
    return smallest if smallest > NO_WATERMARK else None
