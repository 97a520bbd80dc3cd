"""One process of the stack: started as a child that cannot outlive its owner, kept alive, stopped."""

import asyncio
import ctypes
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cli.stack.backoff import Backoff
from cli.stack.services import Service

OUT_OF_MEMORY = 3
"""With what a JVM ends that was told `-XX:+ExitOnOutOfMemoryError`."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)  # Linux alone has it; looked up before any fork


def adopt_orphans() -> None:
    """Make this process the parent of grandchildren that lose theirs, so that stopping finds them."""
    if _prctl is not None:
        _prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _tie_to_owner(number: int, niceness: int) -> Callable[[], None]:
    owner = os.getpid()

    def tie() -> None:
        if _prctl is not None:
            _prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
        os.nice(niceness)
        if os.getppid() != owner:  # it died in between
            os._exit(1)

    return tie


async def spawn(service: Service, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start a process. Its output is appended to its `.out` file next to the log; the log itself it writes."""
    with Path(service.log).with_suffix(".out").open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *service.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**environment, **service.environment},
            preexec_fn=_tie_to_owner(service.orphan_signal, service.niceness),
        )


async def stop(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Ask a process to end, and end it after `seconds`."""
    if process.returncode is not None:
        return
    try:
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), seconds)
    except ProcessLookupError:
        return
    except TimeoutError:
        process.kill()
        await process.wait()


def describe_exit(code: int) -> str:
    """Return an exit code for a person."""
    if code == OUT_OF_MEMORY:
        return f"exit status {code}: a JVM was out of memory, see local.*_memory_mb and flink.state_backend"
    if code >= 0:
        return f"exit status {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


class Keeper:
    """Keeper of one service: starts it again with backoff, and tells `on_restart(name, cause)` of each time."""

    def __init__(
        self,
        service: Service,
        environment: dict[str, str],
        on_restart: Callable[[str, str], None],
        backoff: Backoff | None = None,
    ) -> None:
        self.service = service
        self.process: asyncio.subprocess.Process | None = None
        self._environment = environment
        self._on_restart = on_restart
        self._cause = ""
        self.started = 0.0
        self._backoff = backoff if backoff is not None else Backoff()

    async def start(self) -> asyncio.subprocess.Process:
        """Start the process."""
        self.started = time.monotonic()
        self.process = await spawn(self.service, self._environment)
        return self.process

    async def keep(self) -> None:
        """Wait for the process to die and start it again, for ever; end by cancellation."""
        cause = "not started"
        while True:
            if self.process is not None:
                ended = describe_exit(await self.process.wait())
                cause, self._cause = self._cause or ended, ""
                self.process = None
            await asyncio.sleep(self._backoff.delay(time.monotonic() - self.started))
            with suppress(OSError):  # for example a full disk: tried again after the next delay
                await self.start()
                self._on_restart(self.service.name, cause)

    def replace(self, cause: str) -> None:
        """End a process that hangs; it is started again, and `cause` is what is said of it."""
        if self.process is not None and self.process.returncode is None:
            self._cause = cause
            with suppress(ProcessLookupError):
                self.process.kill()

    def wake(self) -> None:
        """Let a process go on that a signal has stopped."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Stop the process."""
        if self.process is not None:
            await stop(self.process, self.service.stop_seconds)
