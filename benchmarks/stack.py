"""A stack of its own for one benchmark, and the job on it, which can be stopped to load a topic first."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from typer.testing import CliRunner

from cli.main import app
from cli.stack import control
from cli.stack.flink_rest import ENDED, JOB_ID, FlinkRest
from cli.stack.layout import Layout
from jobs.settings import load_settings
from state.configuration import Settings

POLL_S = 0.2


class Stack:
    """Addresses, settings as the job has them, and the job's id."""

    def __init__(self, workdir: Path, kafka: str, flink: str, job_id: str, settings: Settings) -> None:
        self.workdir = workdir
        self.kafka = kafka
        self.flink = flink
        self.job_id = job_id
        self.settings = settings
        self.redis = settings.redis.url
        self.config = Layout(workdir).job_config

    def stop_job(self) -> None:
        """Cancels the job; Kafka, Redis and the cluster go on."""
        rest = FlinkRest(self.flink)
        rest.cancel(self.job_id)
        while rest.job_state(self.job_id) not in ENDED:
            time.sleep(POLL_S)

    def start_job(self, *sets: str) -> None:
        """Submits the job anew, reading from the beginning; returns once it is RUNNING."""
        arguments = ["submit", "--jobmanager", self.flink.removeprefix("http://"), "--config", str(self.config)]
        for assignment in ("kafka.start=earliest", *sets):
            arguments += ["--set", assignment]
        answer = CliRunner().invoke(app, arguments)
        if answer.exit_code != 0:
            raise RuntimeError(f"the job could not be submitted: {answer.output}{answer.exception or ''}")
        self.job_id = JOB_ID.findall(answer.stdout)[-1]
        rest = FlinkRest(self.flink)
        while not rest.is_fully_running(self.job_id):
            time.sleep(POLL_S)


@contextmanager
def benchmark_stack(sets: Sequence[str] = ()) -> Iterator[Stack]:
    """Starts a stack and stops it with all its data."""
    with tempfile.TemporaryDirectory(prefix="heliotrope-bench-") as folder:
        workdir = Path(folder) / "stack"
        try:
            record = control.start_stack(load_settings(None, sets, environ={}), workdir)
            settings = control.job_settings(workdir)
            yield Stack(workdir, record.kafka, record.flink, record.job.id, settings)
        finally:
            control.stop_stack(workdir)
