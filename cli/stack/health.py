"""How a job is: whether it works or only says so, and what a person would ask about it next."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from cli.stack.flink_rest import FlinkRest

LOOP_FAILURES = 3
LOOP_MS = 180_000
"""A job that has failed so often within this time is in a loop,"""
CALM_MS = 45_000
"""until it has run so long: longer than a restart takes with the longest backoff."""
OLD_CHECKPOINTS, OLD_CHECKPOINT_MS = 10, 60_000
"""Intervals without a checkpoint, and at least so long: a busy machine takes its time."""
LAGGING_MS = 60_000
SILENT_MS = 60_000
"""With events that come in and no answer of Redis."""
CAUSE_CHARACTERS = 300


class Failure(msgspec.Struct, frozen=True):
    """A failure of the job: `at_ms` since the epoch, and its cause in a line."""

    at_ms: int
    cause: str


class Health(msgspec.Struct, kw_only=True):
    """Health of a job; times in ms. `health` is ok, degraded or failing, and `reasons` say why it is not ok."""

    state: str
    health: str = "ok"
    reasons: list[str] = []
    restarts: int = 0
    failures: list[Failure] = []
    checkpoint_age_ms: int | None = None
    checkpoints_failed: int = 0
    event_lag_ms: int | None = None
    records_behind: int | None = None
    last_profile_age_ms: int | None = None
    profiles_written: int = 0
    redis_retries: int = 0
    dead_letters: int = 0


def judged_state(state: str, is_whole: bool, failures: Sequence[Failure], now_ms: int) -> str:
    """Return the job's state in Flink's words, but never RUNNING while it starts again and again: Flink's flips between both."""
    if state != "RUNNING":
        return state
    recent = [failure for failure in failures if now_ms - failure.at_ms < LOOP_MS]
    is_looping = len(recent) >= LOOP_FAILURES and now_ms - max(failure.at_ms for failure in recent) < CALM_MS
    if is_looping or (not is_whole and recent):
        return "RESTARTING"
    return "RUNNING" if is_whole else "INITIALIZING"


def look_at(rest: FlinkRest, job_id: str, now_ms: int | None = None) -> Health:
    """Ask the JobManager for everything.

    Raises:
        OSError: it does not answer.
        ValueError, KeyError: what answers is no JobManager.
    """
    now_ms = int(time.time() * 1_000) if now_ms is None else now_ms
    job = rest.job(job_id)
    if not job:
        return Health(state="LOST", health="failing", reasons=["the JobManager does not know the job"])
    failures = [Failure(at_ms, _line(cause)) for at_ms, cause in rest.dated_failures(job_id)]
    is_whole = rest.is_whole(job)
    found = Health(state=judged_state(str(job["state"]), is_whole, failures, now_ms), failures=failures[:5])
    found.restarts = rest.job_metric(job_id, "numRestarts")
    _see_checkpoints(found, rest, job_id, now_ms)
    _see_operators(found, rest, job, now_ms)
    _judge(found, rest.checkpoint_interval_ms(job_id))
    return found


def _see_checkpoints(found: Health, rest: FlinkRest, job_id: str, now_ms: int) -> None:
    checkpoints = rest.checkpoints(job_id)
    found.checkpoints_failed = int(checkpoints.get("counts", {}).get("failed", 0))
    latest = checkpoints.get("latest", {})
    times = [entry.get(key, 0) for name, key in CHECKPOINT_TIMES if (entry := latest.get(name)) is not None]
    if times:
        found.checkpoint_age_ms = max(0, now_ms - max(times))


CHECKPOINT_TIMES = (("completed", "latest_ack_timestamp"), ("restored", "restore_timestamp"))


def _see_operators(found: Health, rest: FlinkRest, job: dict[str, Any], now_ms: int) -> None:
    values = rest.named_metrics(job)
    lags = values.get("event_lag_ms", [])
    found.event_lag_ms = max(lags) if lags else None
    behind = [value for name, several in values.items() if name.endswith("records-lag-max") for value in several]
    found.records_behind = max(behind) if behind else None
    answers = [value for value in values.get("last_answer_ms", []) if value]
    # an answer may be newer than the question
    found.last_profile_age_ms = max(0, now_ms - max(answers)) if answers else None
    found.profiles_written = sum(values.get("profiles_written", []))
    found.redis_retries = sum(values.get("redis_retries", []))
    found.dead_letters = sum(values.get("dead_letters", []))


def _judge(found: Health, interval_ms: int) -> None:
    failing, degraded = [], []
    if found.state != "RUNNING":
        cause = f": {found.failures[0].cause}" if found.failures and found.state != "INITIALIZING" else ""
        failing.append(f"the job is {found.state}{cause}")
    if interval_ms and is_old(found.checkpoint_age_ms or 0, interval_ms):
        degraded.append(
            f"no checkpoint for {(found.checkpoint_age_ms or 0) // 1_000} s, one is due each {interval_ms // 1_000} s"
        )
    if (found.event_lag_ms or 0) > LAGGING_MS:
        degraded.append(f"events are processed {(found.event_lag_ms or 0) // 1_000} s after they came")
        if (found.last_profile_age_ms or 0) > SILENT_MS:
            failing.append(f"no profile was written for {(found.last_profile_age_ms or 0) // 1_000} s: is Redis well?")
    found.reasons = [*failing, *degraded]
    found.health = "failing" if failing else "degraded" if degraded else "ok"


def is_old(checkpoint_age_ms: int, interval_ms: int) -> bool:
    """Return whether a checkpoint should have come long ago."""
    return checkpoint_age_ms > max(OLD_CHECKPOINT_MS, OLD_CHECKPOINTS * interval_ms)


def _line(stack_trace: str) -> str:
    """The innermost cause of a failure that names one, in one line."""
    lines = [line.strip() for line in stack_trace.splitlines() if line.strip()]
    causes = [line.removeprefix("Caused by: ") for line in lines if line.startswith("Caused by: ")]
    return (causes[-1] if causes else lines[0] if lines else "unknown")[:CAUSE_CHARACTERS]
