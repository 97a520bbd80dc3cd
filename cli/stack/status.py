"""A running stack as its JobManager sees it now."""

import msgspec

from cli.stack.flink_rest import FlinkRest
from cli.stack.health import Health, look_at
from cli.stack.record import Job, StackRecord

TIMEOUT_SECONDS = 5.0
UNREACHABLE = "UNREACHABLE"


def live_status(record: StackRecord) -> tuple[Job, int]:
    """Return the job's state and the number of TaskManagers as the JobManager sees them now."""
    health, task_managers = live_health(record)
    return Job(record.job.id, health.state), task_managers


def raw_job(record: StackRecord) -> Job:
    """Return the job in Flink's own words; as it was last seen if the JobManager does not answer."""
    try:
        return Job(record.job.id, FlinkRest(record.flink, TIMEOUT_SECONDS).job_state(record.job.id) or record.job.state)
    except (OSError, ValueError, KeyError):
        return record.job


def live_health(record: StackRecord) -> tuple[Health, int]:
    """Return how the job is, and the number of TaskManagers. A job whose JobManager does not answer is never RUNNING."""
    rest = FlinkRest(record.flink, timeout_seconds=TIMEOUT_SECONDS)
    known = record.job.state if record.job.state != "RUNNING" else UNREACHABLE
    try:
        task_managers = rest.task_managers()
        if not record.job.id:
            return _failing(record.job.state, "the job is not submitted yet"), task_managers
        return look_at(rest, record.job.id), task_managers
    except (OSError, ValueError, KeyError) as error:
        return _failing(known, f"the JobManager does not answer ({type(error).__name__})"), 0


def _failing(state: str, reason: str) -> Health:
    return Health(state=state, health="failing", reasons=[reason])


def status_tree(record: StackRecord) -> dict[str, object]:
    """Return the contract's form of `status --json`, and below it how the job is, the supervisor, its processes and their
    restarts."""
    health, task_managers = live_health(record)
    return {
        "kafka": record.kafka,
        "redis": record.redis,
        "flink": record.flink,
        "serving": record.serving,
        "job": {"id": record.job.id, "state": health.state},
        "task_managers": task_managers,
        "metrics": record.metrics,
        "health": health.health,
        "reasons": health.reasons,
        "details": {name: value for name, value in msgspec.to_builtins(health).items() if name not in TOLD},
        "state": record.state,
        "supervisor": msgspec.to_builtins(record.supervisor),
        "processes": msgspec.to_builtins(record.processes),
        "restarts": msgspec.to_builtins(record.restarts),
    }


TOLD = ("state", "health", "reasons")
