"""A stack of its own for the benchmarks, and one job after the other on it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import redis

from benchmarks.progress import Progress, read
from cli.errors import UserError
from cli.stack import control, flink_conf, jars
from cli.stack.flink_rest import ENDED, JOB_ID, FlinkRest
from cli.stack.layout import PACKAGES, Layout
from cli.stack.plan import read_plan, write_settings
from cli.stack.record import StackRecord
from cli.stack.services import child_environment
from cli.stack.submit import entry_file, pack, run_service
from cli.stack.submitting import client_options
from cli.stack.topics import create_topics, open_admin
from jobs.settings import load_settings
from state.configuration import Settings

POLL_S = 0.2
START_TIMEOUT = "10 min"
"""For a machine that does other work too."""
WRITTEN_TOPICS = (
    "dead_letters",
    "late_events",
    "decisions",
    "outcomes",
    "audit",
    "bandit_model",
    "popularity",
    "candidate_lists",
    "session_hints",
)
METRICS_INTERVAL = "500 ms"
"""How old a figure of Flink's REST interface may be."""


class Stack:
    """Addresses, settings as a job has them, and the running job's id; the benchmarks' jobs come after one another."""

    def __init__(self, workdir: Path, record: StackRecord, settings: Settings) -> None:
        self.kafka = record.kafka
        self.job_id = record.job.id
        self.settings = settings
        self.redis = record.redis
        self.rest = FlinkRest(record.flink)
        self.flink = record.flink
        self.has_catalogue = False
        self.candidate_lists = ""
        self._layout = Layout(workdir)
        self._started = 0
        self._own_topics: list[str] = []

    @property
    def processes(self) -> dict[str, int]:
        """The process of each service by its name, as it runs now.

        Raises:
            RuntimeError: the stack has ended.
        """
        record = control.running(self._layout.root)
        if record is None:
            raise RuntimeError(f"the stack in {self._layout.root} has ended")
        return {name: process.pid for name, process in record.processes.items()}

    def settings_with(self, *sets: str) -> Settings:
        """The stack's settings with some overruled."""
        return load_settings(self._layout.job_config, sets, environ={})

    def stop_job(self) -> None:
        """Cancels the job and removes what it wrote; Kafka, Redis and the cluster go on."""
        if self.job_id:
            self.rest.cancel(self.job_id)
            while self.rest.job_state(self.job_id) not in ENDED:
                time.sleep(POLL_S)
        self.job_id = ""
        if self._own_topics:
            admin = open_admin(self.settings, self.kafka)
            admin.delete_topics(self._own_topics)
            admin.close()
        self._own_topics = []

    def start_job(self, *sets: str, entry: Path | None = None) -> None:
        """Submits a job that reads from the beginning and writes to topics of its own; returns once it is RUNNING.

        It begins without a model: what an earlier run learned is in that run's topic. `entry` is another job's module than
        Heliotrope's own.

        Raises:
            RuntimeError: `flink run` failed.
        """
        self._started += 1
        own = {name: f"run-{self._started}-{name}" for name in WRITTEN_TOPICS}
        self._own_topics = list(own.values())
        self.candidate_lists = own["candidate_lists"]
        named = (f"kafka.topics.{name}={topic}" for name, topic in own.items())
        settings = self.settings_with("kafka.start=earliest", *named, *sets)
        self.create_topics(settings)
        with tempfile.TemporaryDirectory(prefix="heliotrope-bench-") as folder:
            self.job_id = _run(settings, Layout(Path(folder)), self._layout, entry or entry_file())
        while not self.rest.is_fully_running(self.job_id):
            time.sleep(POLL_S)

    def create_topics(self, settings: Settings) -> None:
        """Creates the topics that these settings name and that are missing."""
        create_topics(settings, self.kafka)

    def progress(self, operator: str, metric: str = "numRecordsIn") -> Progress:
        """The count of what this operator of the running job has taken in, or another of its counters."""
        return Progress(self.rest, self.job_id, operator, metric)

    def last_checkpoint(self) -> dict[str, int]:
        """Size in bytes and duration in ms of the job's newest complete checkpoint; empty where there is none."""
        found = read(self.rest, f"/jobs/{self.job_id}/checkpoints")["latest"]["completed"]
        return {"state_bytes": found["state_size"], "duration_ms": found["end_to_end_duration"]} if found else {}

    def client(self) -> redis.Redis:
        """A client of its Redis."""
        return redis.Redis.from_url(self.redis)

    def forget_profiles(self) -> None:
        """Empties Redis, so that each run has the same room."""
        self.client().flushall()


@contextmanager
def benchmark_stack(task_managers: int = 1, sets: Sequence[str] = ()) -> Iterator[Stack]:
    """Starts a stack without its job running, and stops it with all its data."""
    with tempfile.TemporaryDirectory(prefix="heliotrope-bench-") as folder:
        workdir = Path(folder) / "stack"
        sizes = (f"local.task_managers={task_managers}", f"local.start_timeout={START_TIMEOUT}")
        settings = load_settings(None, [*sizes, *sets], environ={})
        shipped = flink_conf.shipped_options() | {"metrics.fetcher.update-interval": METRICS_INTERVAL}
        try:
            with mock.patch.object(flink_conf, "shipped_options", return_value=shipped):
                record = _start(settings, workdir)
            stack = Stack(workdir, record, control.job_settings(workdir))
            stack.stop_job()
            yield stack
        finally:
            control.stop_stack(workdir)


def _start(settings: Settings, workdir: Path) -> StackRecord:
    """Starts a stack, and once more where it failed: on a busy machine a port that was free may be taken when it is opened."""
    try:
        return control.start_stack(settings, workdir)
    except UserError:
        control.stop_stack(workdir)
        return control.start_stack(settings, workdir)


def _run(settings: Settings, layout: Layout, cluster: Layout, entry: Path) -> str:
    """`flink run` with the benchmarks packed next to the job, as `heliotrope submit` does it."""
    for path in (layout.run, layout.tmp, layout.logs):
        path.mkdir(parents=True)
    plan = read_plan(cluster)
    flink_conf.write_conf(layout.flink_conf, client_options(settings, sys.executable))
    flink_conf.link_jars(layout.flink_lib, jars.connectors(jars.installed()))
    flink_conf.write_stand_in(layout.flink_opt)
    pack(layout.packages, (*PACKAGES, "benchmarks"))
    write_settings(settings, layout.job_config)
    service = run_service(layout, plan.rest_address, entry=entry)
    environment = {**child_environment(Path(plan.java_home), layout, os.environ), **service.environment}
    answer = subprocess.run(service.command, env=environment, capture_output=True, text=True, errors="replace")
    found = JOB_ID.findall(answer.stdout)
    if answer.returncode != 0 or not found:
        raise RuntimeError(f"`flink run` of {entry.name} failed: {(answer.stdout + answer.stderr)[-4_000:]}")
    return str(found[-1])
