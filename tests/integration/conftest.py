"""One stack for all integration tests of a run: the embedded one, and with Kafka and Redis in containers where an
engine answers. A test that kills or restarts something leaves the stack RUNNING for the next."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.errors import UserError
from cli.stack import control, jars
from cli.stack.flink_rest import FlinkRest
from cli.stack.record import StackRecord
from jobs.settings import load_settings
from state.configuration import Settings
from tests.foreign import beside, make_foreign

HERE = Path(__file__).parent
KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"
REDIS_IMAGE = "redis:7.2"
TEST_SETTINGS = (
    "kafka.partitions=2",
    "local.start_timeout=5 min",  # other work may share the machine
    "flink.checkpoint_interval=1 s",
    "bandit.seed=1",
    "redis.block_max=5 s",  # its end is waited for
    "decisions.log=published",
    "bandit.variants={weekly: {share: 0.3, policy: lin_ucb, half_life: 7 d}}",
)
POLL_SECONDS = 0.2
LEAVING_TRACES = ("test_hostile_input", "test_redis")


class Stack(NamedTuple):
    """A running stack: addresses, its work directory, and the settings as the job has them."""

    kafka: str
    redis: str
    flink: str
    workdir: Path
    settings: Settings
    kind: str

    def record(self) -> StackRecord:
        """What runs now."""
        record = control.running(self.workdir)
        assert record is not None, f"the stack in {self.workdir} is gone"
        return record

    def is_running(self) -> bool:
        """Whether all of the job runs now."""
        with suppress(OSError, ValueError, KeyError):
            return FlinkRest(self.flink).is_fully_running(self.record().job.id)
        return False

    def wait_until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        """Waits for something that has no event to await."""
        self.wait_for(lambda: bool(condition()), True, seconds)

    def wait_for(self, read: Callable[[], object], wanted: object, seconds: float = 60.0) -> None:
        """Waits until what is read is what is wanted; where it never is, the last that was read is told."""
        deadline = time.monotonic() + seconds
        while (found := read()) != wanted:
            assert time.monotonic() < deadline, (
                f"{found!r}, not {wanted!r}, after {seconds} s; logs are in {self.workdir}/logs"
            )
            time.sleep(POLL_SECONDS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks everything in this folder, and puts behind the others what leaves traces: purchases that nobody would make count in
    what goes together, and a job that has failed several times in a row is not called RUNNING for a while."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)
    items.sort(key=lambda item: item.path.stem in LEAVING_TRACES and item.path.parent == HERE)


@pytest.fixture(scope="session")
def connectors() -> None:
    """The jars that a stack needs, fetched where they are not there yet."""
    try:
        jars.installed()
    except UserError:
        jars.fetch(lambda done, of, name: None)


@pytest.fixture(scope="session", params=["embedded", pytest.param("containers", marks=pytest.mark.containers)])
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, connectors: None
) -> Iterator[Stack]:
    """The stack with the real job RUNNING; stopped, with all its data, after the last test that uses it."""
    with ExitStack() as undo:
        sets = list(TEST_SETTINGS)
        if request.param == "containers":
            sets += _start_containers(undo)
        workdir = tmp_path_factory.mktemp(f"stack-{request.param}")
        undo.callback(control.stop_stack, workdir)
        with beside(make_foreign(tmp_path_factory.mktemp("foreign"))):  # nothing of it may reach any process
            record = control.start_stack(load_settings(None, sets, environ={}), workdir)
        settings = control.job_settings(workdir)
        yield Stack(record.kafka, record.redis, record.flink, workdir, settings, request.param)


def _start_containers(undo: ExitStack) -> list[str]:
    """Kafka and Redis in containers as settings; skips where that cannot be."""
    docker = pytest.importorskip("docker")
    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no container engine answers: {str(error)[:120]}")
    from testcontainers.community.kafka import KafkaContainer
    from testcontainers.community.redis import RedisContainer

    broker = KafkaContainer(KAFKA_IMAGE).with_kraft()
    broker.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
    broker.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
    broker.with_env("KAFKA_MESSAGE_MAX_BYTES", str(4 * 1024 * 1024))
    server = RedisContainer(REDIS_IMAGE)
    try:
        undo.enter_context(broker)
        undo.enter_context(server)
    except docker.errors.DockerException as error:
        pytest.skip(f"the engine cannot run {KAFKA_IMAGE} or {REDIS_IMAGE}: {str(error)[:120]}")
    url = f"redis://{server.get_container_host_ip()}:{server.get_exposed_port(6379)}/0"
    return [f"kafka.bootstrap={broker.get_bootstrap_server()}", f"redis.url={url}"]
