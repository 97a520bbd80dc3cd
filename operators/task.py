"""What an operator asks of the task that it runs in."""

import gc
import importlib
import pkgutil
import sys
import time
from functools import cache
from typing import Any

import structlog

from operators.build import BUILD_ID

SWITCH_INTERVAL_S = 0.0005
"""How long one operator's thread may keep the interpreter from the others of its TaskManager, which wait with an event each."""


LOG_AS_JSON = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
)
"""A line of JSON for each entry, so that a search finds an event's partition and offset. No entry has a session or a user."""

FULL_COLLECTION = 2
"""The generation that is all."""


class StaleCodeError(Exception):
    """The TaskManager holds the code of an earlier submission. Restart the TaskManagers, then the job starts by itself."""


def begin_task(client_build_id: str) -> None:
    """Make the interpreter fair to all operators and its collections short, and refuse other code than that of the client which
    submitted the job.

    Raises:
        StaleCodeError: a TaskManager keeps imported modules for its life, so after an upgrade it must be a new one.
    """
    if not structlog.is_configured():
        structlog.configure(processors=LOG_AS_JSON)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    import_all()
    collect_little_at_a_time()
    if client_build_id != BUILD_ID:
        raise StaleCodeError(
            f"the job was submitted with build {client_build_id}, this TaskManager runs {BUILD_ID}: restart the TaskManagers"
        )


@cache
def import_all() -> None:
    """Import every operator's module, whichever this TaskManager has now.

    Each time the job starts, Flink unpacks its packages into a new folder and removes the last one. A package stays bound to the
    folder that it was first imported from. So after another TaskManager's end, an operator that moves here would not be found.
    """
    package = __name__.rpartition(".")[0]
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)


def collect_little_at_a_time() -> None:
    """Let a full collection of Python's garbage look only at what is new since the last one: over all that a TaskManager holds it
    would keep every operator waiting for 150 ms and more.

    What has survived one is set aside for good. It is freed like all else once nothing refers to it; only as part of a cycle it
    would stay. So at each start of a task all is looked at once again, that of an operator which has ended too.
    """
    gc.unfreeze()
    if _set_aside not in gc.callbacks:
        gc.callbacks.append(_set_aside)


def _set_aside(phase: str, info: dict[str, int]) -> None:
    if phase == "stop" and info["generation"] == FULL_COLLECTION:
        gc.freeze()


def wall_clock_ms() -> int:
    """Return the wall clock, in ms since the epoch."""
    return time.time_ns() // 1_000_000


def next_tick_ms(interval_ms: int, after_ms: int = 0) -> int:
    """Return the next time that is so long after a whole multiple of the interval, in ms since the epoch: timers of different keys
    fall together, and those of different operators need not."""
    return ((wall_clock_ms() - after_ms) // interval_ms + 1) * interval_ms + after_ms


def subtask_count(runtime_context: Any) -> int:
    """Return how many parallel instances there are, likewise."""
    return int(runtime_context._runtime_context.getTaskInfo().getNumberOfParallelSubtasks())


def subtask_index(runtime_context: Any) -> int:
    """Return the index of this parallel instance, from 0. PyFlink's own accessor fails in thread mode."""
    return int(runtime_context._runtime_context.getTaskInfo().getIndexOfThisSubtask())
