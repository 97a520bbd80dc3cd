"""A running stack as its JobManager sees it now."""

import msgspec

from cli.stack.flink_rest import FlinkRest
from cli.stack.record import Job, StackRecord


def live_status(record: StackRecord) -> tuple[Job, int]:
    """The job's state and the number of TaskManagers as the JobManager sees them now."""
    rest = FlinkRest(record.flink, timeout_seconds=3.0)
    try:
        state = rest.job_state(record.job.id) if record.job.id else record.job.state
        return Job(record.job.id, state or record.job.state), rest.task_managers()
    except (OSError, ValueError, KeyError):
        return record.job, 0


def status_tree(record: StackRecord) -> dict[str, object]:
    """The contract's form of `status --json`, and below it the supervisor, its processes and their restarts."""
    job, task_managers = live_status(record)
    return {
        "kafka": record.kafka,
        "redis": record.redis,
        "flink": record.flink,
        "job": {"id": job.id, "state": job.state},
        "task_managers": task_managers,
        "metrics": record.metrics,
        "state": record.state,
        "supervisor": msgspec.to_builtins(record.supervisor),
        "processes": msgspec.to_builtins(record.processes),
        "restarts": msgspec.to_builtins(record.restarts),
    }
