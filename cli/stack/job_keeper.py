"""Keeps the job on the cluster: submits it with `flink run`, watches it, submits it again where it was lost."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cli.stack import start_steps
from cli.stack.backoff import Backoff
from cli.stack.flink_conf import checkpoint_uri
from cli.stack.flink_rest import ENDED, JOB_ID, FlinkRest
from cli.stack.layout import Layout
from cli.stack.plan import Plan
from cli.stack.process import describe_exit, spawn, stop
from cli.stack.resume import MissingStateError, remember_checkpoint, remember_job, resume_point
from cli.stack.submit import Origin, refusal_in, run_service
from state.configuration import Settings

POLL_SECONDS = 1.0
POLL_START_SECONDS = 0.25
FAILURES_AT_START = 4
UNREACHABLE = "UNREACHABLE"


class JobKeeper:
    """The job of one stack; tells `on_change(job id, state, cause)` what is new, `cause` where it was submitted again."""

    def __init__(
        self,
        layout: Layout,
        plan: Plan,
        settings: Settings,
        environment: dict[str, str],
        on_change: Callable[[str, str, str], None],
        rest: FlinkRest,
    ) -> None:
        self.job_id = ""
        self._layout, self._plan, self._settings = layout, plan, settings
        self._environment, self._on_change = environment, on_change
        self._rest = rest
        self._backoff = Backoff(first_seconds=0.2)
        self._lost = asyncio.Event()
        self._run: asyncio.subprocess.Process | None = None
        self._has_checkpoint = True

    async def submit(self) -> str:
        """Submit the job and return the checkpoint or savepoint that it resumes from, empty for a new one.

        Raises:
            StepError: `flink run` failed, or the state to resume from is gone.
        """
        try:
            origin = resume_point(self._layout)
        except MissingStateError as error:
            raise start_steps.StepError("Submit", str(error)) from None
        taken = Origin(origin) if origin else None
        service = run_service(self._layout, self._plan.rest_address, taken, Path(self._plan.entry))
        output = Path(service.log).with_suffix(".out")
        output.unlink(missing_ok=True)
        self._run = await spawn(service, self._environment)
        code = await self._run.wait()
        text = output.read_text(encoding="utf-8", errors="replace")
        found = JOB_ID.findall(text)
        refusal = refusal_in(text)
        if refusal:
            raise start_steps.StepError("Submit", refusal)
        if code != 0 or not found:
            what = f"`flink run` ended with {describe_exit(code)}"
            raise start_steps.StepError("Submit", f"{what}: see {output}", start_steps.tail(str(output)))
        self.job_id = found[-1]
        self._has_checkpoint = False
        with suppress(OSError):  # a full disk: made up for with the first checkpoint, which needs room too
            self._remember()
        self._on_change(self.job_id, "CREATED", "")
        return origin or ""

    async def until_running(self) -> None:
        """Wait until every part of the job runs.

        Raises:
            StepError: the job ended instead, or fails again and again.
        """
        known = None  # failures before all else was there mean nothing
        while True:
            with suppress(OSError, ValueError, KeyError):
                state = await asyncio.to_thread(self._rest.job_state, self.job_id)
                self._on_change(self.job_id, state, "")
                if state == "RUNNING" and await asyncio.to_thread(self._rest.is_fully_running, self.job_id):
                    return
                failures = await asyncio.to_thread(self._rest.failures, self.job_id)
                known = len(failures) if known is None else known
                if state in ("FAILED", *ENDED) or len(failures) - known >= FAILURES_AT_START:
                    raise self.broken(f"the job is {state}")
            await asyncio.sleep(POLL_START_SECONDS)

    def broken(self, what: str) -> start_steps.StepError:
        """Return the failure of the job with the causes that Flink knows."""
        causes: list[str] = []
        with suppress(OSError, ValueError, KeyError):
            causes = self._rest.failures(self.job_id)[:1]
        lines = start_steps.without_frames(causes[0]) if causes else ()
        log = self._layout.logs / "taskmanager-1.log"
        cause = f" ({lines[-1].strip()})" if lines else ""
        return start_steps.StepError("Job", f"{what}{cause}: see {log}", lines or start_steps.tail(str(log)))

    async def keep(self) -> None:
        """Watch the job and submit it again where the JobManager has lost it or given up; end by cancellation."""
        began = time.monotonic()
        self._lost.clear()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), POLL_SECONDS)
            state = "" if self._lost.is_set() else await self._state()
            self._on_change(self.job_id, state or "LOST", "")
            await self._note_checkpoint()
            if state in ("", "FAILED"):
                await asyncio.sleep(self._backoff.delay(time.monotonic() - began))
                began = time.monotonic()
                await self._submit_again("lost with its JobManager" if not state else "failed")

    def job_manager_died(self) -> None:
        """Let the job be submitted again at once: `flink run` takes longer than the new JobManager needs to start."""
        self._lost.set()

    async def _note_checkpoint(self) -> None:
        """Notes once that there is state, so that a later start without it is refused and not empty."""
        if not self._has_checkpoint:
            with suppress(OSError, ValueError, KeyError):
                if await asyncio.to_thread(self._rest.has_checkpoint, self.job_id):
                    self._remember()
                    remember_checkpoint(self._layout, self.job_id)
                    self._has_checkpoint = True

    def _remember(self) -> None:
        remember_job(self._layout, self.job_id, checkpoint_uri(self._settings, self._layout))

    async def _submit_again(self, cause: str) -> None:
        """What the JobManager does meanwhile shows in the job's state, which is asked for next: hence the event is taken back."""
        with suppress(start_steps.StepError, OSError):
            origin = await self.submit()
            self._on_change(self.job_id, "CREATED", f"{cause}, resumed from {origin or 'nothing'}")
        self._lost.clear()

    async def _state(self) -> str:
        try:
            return await asyncio.to_thread(self._rest.job_state, self.job_id)
        except (OSError, ValueError, KeyError):
            return UNREACHABLE

    async def stop(self) -> None:
        """Stop a submission under way, and with a Kafka of the user's also the job: a transaction left open there would hold back
        its readers for a quarter of an hour."""
        if self._run is not None:
            await stop(self._run, 5.0)
        if self.job_id and not self._plan.own_kafka:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(10):
                    await asyncio.to_thread(self._rest.cancel, self.job_id)
                    while await self._state() not in (*ENDED, "", "FAILED", UNREACHABLE):
                        await asyncio.sleep(POLL_START_SECONDS)
