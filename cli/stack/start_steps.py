"""The steps of a start: each starts its processes, waits until they answer, and returns what came of it in a few words."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import urlopen

import redis
from kafka.errors import KafkaError

from cli.stack import services
from cli.stack.brokers import CLUSTER_ID
from cli.stack.flink_rest import FlinkRest
from cli.stack.layout import Layout
from cli.stack.plan import Plan
from cli.stack.ports import answers
from cli.stack.process import describe_exit, spawn
from cli.stack.topics import broker_answers
from cli.stack.topics import create_topics as create_missing_topics
from jobs.secrets import redis_password
from state.configuration import Settings

POLL_SECONDS = 0.2
TAIL_LINES = 15
JAVA_FRAME = re.compile(r"\s+(at [\w.$/<>]+\(|\.\.\. \d+ more)")


class StepError(Exception):
    """A step of the start failed: `detail` names cause and fix, `tail` holds the last lines of the process's log."""

    def __init__(self, step: str, detail: str, tail: tuple[str, ...] = ()) -> None:
        super().__init__(detail)
        self.step, self.detail, self.tail = step, detail, tail


class Job(Protocol):
    """The job of a stack, as the steps submit it and wait for it."""

    job_id: str

    async def submit(self) -> str:
        """Submit it and return what it resumes from, empty for a new one."""

    async def until_running(self) -> None:
        """Wait until all of it runs."""

    def broken(self, what: str) -> StepError:
        """Return the failure of the step that waits for it."""


class Stack(Protocol):
    """Part of the supervisor, which imports them, that the steps need."""

    layout: Layout
    plan: Plan
    settings: Settings
    environment: dict[str, str]
    rest: FlinkRest

    @property
    def job(self) -> Job:
        """The stack's job."""

    async def start_service(self, service: services.Service) -> asyncio.subprocess.Process:
        """Start a process that is kept from then on."""


async def start_redis(stack: Stack) -> str:
    """Start Redis and wait for its PONG."""
    service = services.redis_service(stack.layout)
    process = await stack.start_service(service)
    client = redis.Redis.from_url(stack.plan.redis, password=redis_password(stack.settings), socket_timeout=2)
    with client:
        await _until(lambda: bool(client.ping()), "Redis", (service, process))
    return urlsplit(stack.plan.redis).netloc


async def start_kafka(stack: Stack) -> str:
    """Format the broker's storage where it is new, starts it, and wait for its admin interface."""
    if not (stack.layout.data / "kafka" / "meta.properties").exists():
        await _format_storage(stack)
    service = services.kafka_service(stack.settings, stack.layout, Path(stack.plan.java_home), _jars(stack))
    process = await stack.start_service(service)
    host, port = stack.plan.kafka.split(":")
    await _until(
        lambda: answers(host, int(port)) and broker_answers(stack.settings, stack.plan.kafka),
        "Kafka",
        (service, process),
    )
    return stack.plan.kafka


async def create_topics(stack: Stack) -> str:
    """Create the topics that are missing."""
    try:
        created = await asyncio.to_thread(create_missing_topics, stack.settings, stack.plan.kafka)
    except KafkaError as error:
        detail = f"Kafka at {stack.plan.kafka} refuses the topics: {' '.join(str(error).split())}: create them yourself"
        raise StepError("Topics", detail) from None
    return f"{len(created)} created" if created else "all there"


async def start_flink(stack: Stack) -> str:
    """Start the JobManager and the TaskManagers together and wait until all are registered."""
    java_home, count = Path(stack.plan.java_home), stack.settings.local.task_managers
    wanted = [services.job_manager_service(stack.settings, stack.layout, java_home)]
    wanted += [
        services.task_manager_service(number, stack.settings, stack.layout, java_home) for number in range(1, count + 1)
    ]
    processes = [await stack.start_service(service) for service in wanted]
    started = zip(wanted, processes, strict=True)
    await _until(lambda: stack.rest.task_managers() >= count, "Flink", *started)
    return f"{stack.plan.flink}, {count} task manager{'s' if count > 1 else ''}"


async def start_serving(stack: Stack) -> str:
    """Start the HTTP server and wait until it is ready: Kafka and Redis answer it."""
    service = services.serving_service(stack.settings, stack.layout)
    process = await stack.start_service(service)
    await _until(lambda: is_ready(stack.plan.serving), "Serving", (service, process))
    return stack.plan.serving


def is_ready(url: str) -> bool:
    """Ask an HTTP server whether it is ready.

    Raises:
        OSError: it does not answer.
    """
    with urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310  # our own address
        return bool(answer.status == 200)


async def submit_job(stack: Stack) -> str:
    """Submit the job, from where an earlier one stopped if there is such a place."""
    origin = await stack.job.submit()
    return f"{stack.job.job_id}{f', from {origin}' if origin else ''}"


async def await_job(stack: Stack) -> str:
    """Wait until all of the job runs."""
    await stack.job.until_running()
    return "RUNNING"


async def _format_storage(stack: Stack) -> None:
    command = services.kafka_command(Path(stack.plan.java_home), stack.layout, _jars(stack), services.STORAGE_TOOL, 64)
    properties = str(stack.layout.run / "kafka.properties")
    arguments = ("format", "--ignore-formatted", "-t", CLUSTER_ID, "-c", properties)
    service = services.Service("kafka-format", (*command, *arguments), str(stack.layout.logs / "kafka-format.log"))
    code = await (await spawn(service, stack.environment)).wait()
    if code != 0:
        raise failed("Kafka", service, f"Kafka's storage tool ended with {describe_exit(code)}")


async def _until(
    ready: Callable[[], bool], step: str, *started: tuple[services.Service, asyncio.subprocess.Process]
) -> None:
    """Asks until `ready`; an error is a no. The end of a process that is waited for is a failure of the step."""
    while True:
        for service, process in started:
            if process.returncode is not None:
                raise failed(step, service, f"{service.name} ended with {describe_exit(process.returncode)}")
        with suppress(OSError, ValueError, KeyError, redis.RedisError, KafkaError):
            if await asyncio.to_thread(ready):
                return
        await asyncio.sleep(POLL_SECONDS)


def failed(step: str, service: services.Service, what: str) -> StepError:
    """Return the failure of a process, with the end of its log."""
    return StepError(step, f"{what}: see {service.log}", tail(service.log))


def timed_out(stack: Stack, step: str) -> StepError:
    """Return the failure of a step that took too long."""
    what = f"not ready after {stack.settings.local.start_timeout_ms / 1_000:.0f} s (local.start_timeout)"
    if step == "Job":
        return stack.job.broken(what)
    names = {
        "Kafka": "kafka",
        "Topics": "kafka",
        "Redis": "redis",
        "Flink": "jobmanager",
        "Submit": "flink-run",
        "Serving": "serving",
    }
    log = str(stack.layout.logs / f"{names[step]}.log")
    return StepError(step, f"{what}: see {log}", tail(log))


def tail(log: str) -> tuple[str, ...]:
    """Return the last lines of a log, or of what the process printed where it wrote no log."""
    for path in (Path(log), Path(log).with_suffix(".out")):
        with suppress(OSError):
            lines = without_frames(path.read_text(encoding="utf-8", errors="replace"))
            if lines:
                return lines
    return ()


def without_frames(text: str) -> tuple[str, ...]:
    """Return the last lines of a text without Java's stack frames, which say little and fill the screen."""
    kept = [line.rstrip() for line in text.splitlines() if line.strip() and not JAVA_FRAME.match(line)]
    return tuple(kept[-TAIL_LINES:])


def _jars(stack: Stack) -> list[Path]:
    return [Path(jar) for jar in stack.plan.jars if "flink" not in Path(jar).name]
