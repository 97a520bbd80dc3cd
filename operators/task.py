"""What an operator asks of the task that it runs in."""

import sys
import time
from typing import Any

from state.build import BUILD_ID

SWITCH_INTERVAL_S = 0.0005
"""How long one operator's thread may keep the interpreter from the others of its TaskManager, which wait with an event each."""


class StaleCodeError(Exception):
    """The TaskManager holds the code of an earlier submission. Restart the TaskManagers, then the job starts by itself."""


def begin_task(client_build_id: str) -> None:
    """Makes the interpreter fair to all operators, and refuses other code than the client's that submitted the job.

    Raises:
        StaleCodeError: a TaskManager keeps imported modules for its life, so after an upgrade it must be a new one.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if client_build_id != BUILD_ID:
        raise StaleCodeError(
            f"the job was submitted with build {client_build_id}, this TaskManager runs {BUILD_ID}: restart the TaskManagers"
        )


def wall_clock_ms() -> int:
    """The wall clock, in ms since the epoch."""
    return time.time_ns() // 1_000_000


def next_tick_ms(interval_ms: int) -> int:
    """The next whole multiple of the interval, in ms since the epoch: timers of different keys fall together."""
    return (wall_clock_ms() // interval_ms + 1) * interval_ms


def subtask_index(runtime_context: Any) -> int:
    """The index of this parallel instance, from 0. PyFlink's own accessor fails in thread mode."""
    return int(runtime_context._runtime_context.getTaskInfo().getIndexOfThisSubtask())
