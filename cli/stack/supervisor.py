"""The one process that `up` leaves: it starts all others, starts again what dies, and stops them.

Started as `python -m cli.stack.supervisor WORKDIR` with a plan in the work directory. Its standard output carries the
steps to the command that waits for the start; the end of its standard input before the start is complete means that
this command is gone, and stops everything.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO, cast

import psutil
import structlog

from cli.stack import start_steps as steps
from cli.stack.certificates import client_context
from cli.stack.flink_rest import FlinkRest
from cli.stack.gateway import Gateway
from cli.stack.hung import HungWatch, registered_ports
from cli.stack.job_keeper import JobKeeper
from cli.stack.layout import Layout
from cli.stack.metrics_gate import MetricsGate, stack_metrics
from cli.stack.plan import REST_KEY, Plan, read_plan, redis_for_owner
from cli.stack.ports import LOOPBACK
from cli.stack.process import Keeper, adopt_orphans
from cli.stack.progress import Step, report
from cli.stack.record import RESTARTS_KEPT, Restart, StackRecord, process_record, write_record
from cli.stack.services import Service, child_environment
from jobs.settings import load_settings
from state.configuration import Settings

log = structlog.get_logger()


class Supervisor:
    """Owns the processes of one work directory; `run` returns when it was asked to stop."""

    def __init__(self, layout: Layout, plan: Plan, settings: Settings) -> None:
        self.layout, self.plan, self.settings = layout, plan, settings
        self.environment = child_environment(Path(plan.java_home), layout)
        redis = redis_for_owner(plan, settings, layout)
        self.record = StackRecord(plan.kafka, redis, plan.flink, process_record(os.getpid()))
        context = client_context(layout.keys / f"{REST_KEY}.pem")
        inner = f"https://{LOOPBACK}:{plan.inner_flink_port}"  # behind the gateway, which others come in by
        self.rest = FlinkRest(inner, context=context)
        self.watch_rest = FlinkRest(inner, context=context)  # which waits for no other's answer
        self.job = JobKeeper(layout, plan, settings, self.environment, self._job_changed, self.rest)
        self.keepers: dict[str, Keeper] = {}
        self.gateway = Gateway(plan.rest_port, plan.inner_flink_port, context)
        self.metrics: MetricsGate | None = None

    async def run(self) -> int:
        """Start and keep the stack for ever; return the exit status where a step of the start failed."""
        self._save()
        try:
            self._serve_metrics()
            await self._start()
            self.record.state = "running"
            self._save()
            report(Step("", "ready"))
            self._let_go()
            await self._keep()
        except steps.StepError as failure:
            log.error("step failed", step=failure.step, detail=failure.detail)
            report(Step(failure.step, "failed", detail=failure.detail, tail=failure.tail))
        return 1

    def _serve_metrics(self) -> None:
        """Begins to take metrics in, before there is a process that sends some."""
        port = self.plan.metrics_port
        try:
            self.metrics = MetricsGate(port, self.plan.metrics_secret, self._own_metrics)
        except OSError as error:
            raise steps.StepError("Metrics", f"port {port} cannot be used ({error.strerror}): start again") from None
        self.metrics.start()
        self.record.metrics = f"http://{LOOPBACK}:{port}/metrics"
        self._save()

    def _own_metrics(self) -> str:
        jobs = sum(restart.name == "job" for restart in self.record.restarts)
        return stack_metrics(
            {name: process.restarts for name, process in self.record.processes.items()} | {"job": jobs}
        )

    async def _start(self) -> None:
        """1. Kafka, Redis and Flink, all at once  2. the topics, then the HTTP server, once Kafka answers  3. the job.

        `flink run` begins with the first: it takes longest, and needs no more than a JobManager, and that at its end.
        """
        await self._open_gateway()
        try:
            async with asyncio.TaskGroup() as group:
                kafka = group.create_task(self._start_kafka())
                others = [kafka, group.create_task(self._step("Flink", steps.start_flink(self)))]
                if self.plan.own_redis:
                    others.append(group.create_task(self._step("Redis", steps.start_redis(self))))
                if self.plan.serving:
                    group.create_task(self._start_serving(kafka))
                group.create_task(self._start_job(others))
        except* steps.StepError as failures:
            raise failures.exceptions[0] from None

    async def _start_job(self, others: list[asyncio.Task[None]]) -> None:
        """Submits it at once; what fails of it before `others` are there means nothing."""
        await self._step("Submit", steps.submit_job(self))
        await asyncio.gather(*others)
        await self._step("Job", steps.await_job(self))

    async def _start_serving(self, kafka: asyncio.Task[None]) -> None:
        await kafka
        await self._step("Serving", steps.start_serving(self))
        self.record.serving = self.plan.serving
        self._save()

    async def _open_gateway(self) -> None:
        try:
            await self.gateway.start()
        except OSError as error:
            raise steps.StepError(
                "Flink", f"{self.plan.rest_address}: {error.strerror}: set local.flink_port=0"
            ) from None

    async def _start_kafka(self) -> None:
        if self.plan.own_kafka:
            await self._step("Kafka", steps.start_kafka(self))
        await self._step("Topics", steps.create_topics(self))

    async def _step(self, name: str, work: Coroutine[Any, Any, str]) -> None:
        began = time.monotonic()
        report(Step(name, "begun"))
        try:
            async with asyncio.timeout(self.settings.local.start_timeout_ms / 1_000):
                detail = await work
        except TimeoutError:
            raise steps.timed_out(self, name) from None
        log.info("step done", step=name, seconds=round(time.monotonic() - began, 1), detail=detail)
        report(Step(name, "done", time.monotonic() - began, detail))

    async def start_service(self, service: Service) -> asyncio.subprocess.Process:
        """Start a process that is kept from then on."""
        keeper = Keeper(service, self.environment, self._restarted)
        self.keepers[service.name] = keeper
        process = await keeper.start()
        self.record.processes[service.name] = process_record(process.pid)
        self._save()
        return process

    async def _keep(self) -> None:
        async with asyncio.TaskGroup() as group:
            for keeper in self.keepers.values():
                group.create_task(keeper.keep())
            group.create_task(self.job.keep())
            group.create_task(HungWatch(self.keepers, partial(registered_ports, self.watch_rest)).keep())

    async def stop(self) -> None:
        """Stop all processes: the way in first, and Flink before what it writes to."""
        log.info("stopping")
        self.record.state = "stopping"
        self._save()
        if "serving" in self.keepers:
            await self.keepers["serving"].stop()
        await self.job.stop()
        flink = [keeper for name, keeper in self.keepers.items() if name not in ("kafka", "redis", "serving")]
        brokers = [keeper for name, keeper in self.keepers.items() if name in ("kafka", "redis")]
        for group in (flink, brokers):
            await asyncio.gather(*(keeper.stop() for keeper in group))
        await self.gateway.stop()
        for orphan in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                orphan.kill()
        if self.metrics is not None:
            self.metrics.stop()
        self.layout.stack_file.unlink(missing_ok=True)

    def _restarted(self, name: str, cause: str) -> None:
        log.warning("restarted", process=name, cause=cause)
        if name == "jobmanager":
            self.job.job_manager_died()
        process = self.keepers[name].process if name in self.keepers else None
        if process is not None:
            with suppress(psutil.Error):
                count = self.record.processes[name].restarts + 1
                self.record.processes[name] = process_record(process.pid)
                self.record.processes[name].restarts = count
        self.record.restarts = [*self.record.restarts, Restart(name, time.time(), cause)][-RESTARTS_KEPT:]
        self._save()

    def _job_changed(self, job_id: str, state: str, cause: str) -> None:
        if (job_id, state) != (self.record.job.id, self.record.job.state):
            log.info("job", id=job_id, state=state)
            self.record.job.id, self.record.job.state = job_id, state
            self._save()
        if cause:
            self._restarted("job", cause)

    def _let_go(self) -> None:
        """Leaves the command that waited: its end must not end this process."""
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, sys.stdin.fileno())
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)

    def _save(self) -> None:
        """A full disk must not end the one process that can mend things once there is room again."""
        try:
            write_record(self.layout.stack_file, self.record)
        except OSError as error:
            log.error("the record could not be written", error=str(error))


class _PatientFile:
    """A log that drops what a full disk does not take."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._file.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._file.flush()


async def _until_stopped(supervisor: Supervisor) -> int:
    """Runs the stack, and stops it at a signal, or when the waiting command is gone before the start is complete."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(supervisor.run())
    stopping = False

    def stop_once() -> None:
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop_once)
    loop.add_reader(sys.stdin.fileno(), stop_once)  # readable means closed: nothing is ever sent
    try:
        return await task
    except asyncio.CancelledError:
        return 0
    finally:
        stopping = True
        await supervisor.stop()


def main(workdir: str) -> int:
    """Supervise the stack of a work directory until it is told to stop."""
    os.umask(0o077)  # what its processes write is for its owner alone
    layout = Layout(Path(workdir))
    os.chdir(
        layout.root
    )  # where nobody else's modules are: the interpreter in a TaskManager looks in its current folder first
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=lambda *names: structlog.WriteLogger(cast(TextIO, _PatientFile(sys.stderr))),
    )
    adopt_orphans()
    settings = load_settings(layout.job_config, environ={})
    return asyncio.run(_until_stopped(Supervisor(layout, read_plan(layout), settings)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
