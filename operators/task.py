"""What an operator asks of the task that it runs in."""

from typing import Any

from state.build import BUILD_ID


class StaleCodeError(Exception):
    """The TaskManager holds the code of an earlier submission. Restart the TaskManagers, then the job starts by itself."""


def check_build(client_build_id: str) -> None:
    """Refuses to run with other code than the client that submitted the job has.

    Raises:
        StaleCodeError: a TaskManager keeps imported modules for its life, so after an upgrade it must be a new one.
    """
    if client_build_id != BUILD_ID:
        raise StaleCodeError(
            f"the job was submitted with build {client_build_id}, this TaskManager runs {BUILD_ID}: restart the TaskManagers"
        )


def subtask_index(runtime_context: Any) -> int:
    """The index of this parallel instance, from 0. PyFlink's own accessor fails in thread mode."""
    return int(runtime_context._runtime_context.getTaskInfo().getIndexOfThisSubtask())
