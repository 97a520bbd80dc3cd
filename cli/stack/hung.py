"""Processes that live and do nothing: found out and replaced, so that a hang costs little more than a death.

A busy machine must not look like a hang. Two signs say more than slowness: the kernel says that a process is stopped, or its
JobManager has dropped a TaskManager for its silence and it does not register again, which a healthy one does within seconds.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil
import structlog

from cli.stack.flink_rest import FlinkRest
from cli.stack.process import Keeper

log = structlog.get_logger()

POLL_SECONDS = 0.5
STOPPED_SECONDS = 2.0
"""Stopped for so long by a signal: somebody's mistake, or the stand-in for a hang."""
MISSING_SECONDS = 15.0
"""Beyond Flink's heartbeat.timeout, after which the JobManager drops what is silent."""
UNANSWERED_SECONDS = 45.0
"""A JobManager that starts anew on a busy machine takes less."""
YOUNG_SECONDS = 60.0
"""A process that is younger may still be starting."""
ASK_EVERY = 10
"""Polls between two questions to the JobManager."""
HOLD_DATA = ("kafka", "redis")
"""What is stopped there is woken: a Redis that is killed loses what it has not saved."""


class HungWatch:
    """Watch over the processes of the keepers, which replaces those that hang."""

    def __init__(
        self,
        keepers: Mapping[str, Keeper],
        registered_ports: Callable[[], set[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keepers, self._registered_ports, self._clock = keepers, registered_ports, clock
        self._since: dict[tuple[str, int], float] = {}

    async def keep(self) -> None:
        """Look for ever; end by cancellation."""
        number = 0
        while True:
            await asyncio.sleep(POLL_SECONDS)
            self.look_for_stopped()
            number += 1
            if number % ASK_EVERY == 0:
                await self._ask()

    def look_for_stopped(self) -> None:
        """Replace what a signal has stopped for a while; wake what holds data."""
        for name, keeper in self._keepers.items():
            if not self._lasts(f"stopped {name}", keeper, _is_stopped(keeper), STOPPED_SECONDS):
                continue
            if name in HOLD_DATA:
                log.warning("woken", process=name)
                keeper.wake()
            else:
                keeper.replace(f"stopped by a signal for {STOPPED_SECONDS:.0f} s")

    def look_for_missing(self, ports: set[int] | None) -> None:
        """Replace TaskManagers that none of the registered `ports` belongs to; without an answer (None) the JobManager."""
        job_manager = self._keepers.get("jobmanager")
        if job_manager is None:
            return
        is_old = _age(job_manager) > YOUNG_SECONDS
        if self._lasts("unanswered", job_manager, is_old and ports is None, UNANSWERED_SECONDS):
            job_manager.replace(f"did not answer for {UNANSWERED_SECONDS:.0f} s")
        for name, keeper in self._keepers.items():
            if name.startswith("taskmanager-"):
                is_missing = (
                    is_old and ports is not None and _age(keeper) > YOUNG_SECONDS and not _ports(keeper) & ports
                )
                if self._lasts(f"missing {name}", keeper, is_missing, MISSING_SECONDS):
                    keeper.replace(f"lost by the JobManager for {MISSING_SECONDS:.0f} s")

    async def _ask(self) -> None:
        ports = None
        with suppress(OSError, ValueError, KeyError):
            ports = await asyncio.to_thread(self._registered_ports)
        self.look_for_missing(ports)

    def _lasts(self, what: str, keeper: Keeper, is_so: bool, seconds: float) -> bool:
        """Whether something has been so of this very process for so long; then it is counted from the beginning again."""
        key = (what, keeper.process.pid if keeper.process is not None else 0)
        now = self._clock()
        if not is_so:
            self._since.pop(key, None)
            return False
        if now - self._since.setdefault(key, now) < seconds:
            return False
        del self._since[key]
        return True


def registered_ports(rest: FlinkRest) -> set[int]:
    """Return the ports that the registered TaskManagers listen on for their JobManager."""
    return {int(path.rpartition("@")[2].partition("/")[0].rpartition(":")[2]) for path in rest.task_manager_paths()}


def _process(keeper: Keeper) -> psutil.Process | None:
    with suppress(psutil.Error):
        return psutil.Process(keeper.process.pid) if keeper.process is not None else None
    return None


def _is_stopped(keeper: Keeper) -> bool:
    found = _process(keeper)
    with suppress(psutil.Error):
        return found is not None and found.status() == psutil.STATUS_STOPPED
    return False


def _age(keeper: Keeper) -> float:
    return time.monotonic() - keeper.started if keeper.process is not None else 0.0


def _ports(keeper: Keeper) -> set[int]:
    """Where it listens."""
    found = _process(keeper)
    with suppress(psutil.Error):
        connections = found.net_connections("tcp") if found is not None else []
        return {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}
    return set()
