"""The whole job, and the command, on a Kafka that wants TLS and a login."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from typer.testing import CliRunner

from cli.errors import UserError
from cli.kafka_client import open_consumer
from cli.main import app
from cli.options import find_target
from cli.stack import control
from cli.stack.flink_rest import FlinkRest
from cli.stack.record import StackRecord
from jobs.settings import load_settings
from tests.certificates import PASSWORD
from tests.integration.conftest import Stack
from tests.integration.secured_kafka import LOGIN_SECRET, SecuredKafka, secured_kafka
from tests.integration.shop import now_ms


class Secured(NamedTuple):
    """A stack of its own whose job reads from the secured broker."""

    kafka: SecuredKafka
    record: StackRecord
    stack: Stack


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, connectors: None) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    with secured_kafka(folder) as kafka:
        workdir = folder / "stack"
        sets = [
            f"kafka.bootstrap={kafka.bootstrap}",
            f"kafka.properties_file={kafka.plain}",
            "kafka.partitions=1",
            "kafka.start=earliest",
            "local.start_timeout=5 min",
            "flink.checkpoint_interval=1 s",
        ]
        try:
            record = control.start_stack(load_settings(None, sets, environ={}), workdir)
            settings = control.job_settings(workdir)
            yield Secured(
                kafka, record, Stack(kafka.bootstrap, record.redis, record.flink, workdir, settings, "secured")
            )
        finally:
            control.stop_stack(workdir)


def target(secured: Secured, *sets: str) -> Any:
    return find_target(None, sets, secured.stack.workdir)


def test_an_event_goes_through_the_job_and_a_bad_line_to_the_dead_letters(secured: Secured, tmp_path: Path) -> None:
    event = {"session_id": "s-1", "event_type": "product_view", "product_id": "p", "timestamp": now_ms()}
    lines = tmp_path / "events.jsonl"
    lines.write_text(f"{json.dumps(event)}\nnot json\n")
    answer = CliRunner().invoke(app, ["produce", str(lines), "--workdir", str(secured.stack.workdir)])
    assert answer.exit_code == 0, answer.output
    with redis.Redis.from_url(secured.record.redis) as client:
        secured.stack.wait_until(lambda: client.exists("heliotrope:profile:s-1") == 1, 120)
    consumer = open_consumer(target(secured))
    consumer.subscribe(["dead_letters"])
    found: list[bytes] = []

    def dead_letters() -> int:
        found.extend(one.value for batch in consumer.poll(timeout_ms=500).values() for one in batch)
        return len(found)

    secured.stack.wait_for(dead_letters, 1, 120)  # it comes with a committed transaction: the sink has logged in too
    consumer.close()


def test_no_secret_of_the_properties_is_in_the_graph_or_a_log(secured: Secured) -> None:
    rest, job = FlinkRest(secured.record.flink), secured.record.job.id
    vertices = rest._fetch(f"/jobs/{job}")["vertices"]
    paths = [f"/jobs/{job}{rest_of}" for rest_of in ("", "/config", "/plan", "/checkpoints/config", "/exceptions")]
    paths += [f"/jobs/{job}/vertices/{vertex['id']}" for vertex in vertices]
    paths += ["/jobmanager/config", "/jobmanager/environment"]
    for secret in (LOGIN_SECRET, PASSWORD):
        for path in paths:
            assert secret not in json.dumps(rest._fetch(path)), path
        for log in (secured.stack.workdir / "logs").iterdir():
            assert secret not in log.read_text(errors="replace"), log
        assert secret not in (secured.stack.workdir / "run" / "heliotrope.yaml").read_text()
        for state in (secured.stack.workdir / "data").rglob("*"):
            assert not (state.is_file() and secret.encode() in state.read_bytes()), state


def test_the_command_logs_in_by_scram_and_pem_too(secured: Secured) -> None:
    consumer = open_consumer(target(secured, f"kafka.properties_file={secured.kafka.scram}"))
    assert "user_interactions" in consumer.topics()
    consumer.close()


def test_a_refused_login_is_called_one(secured: Secured, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.properties"
    wrong.write_text(secured.kafka.plain.read_text().replace(LOGIN_SECRET, "guessed-secret"))
    with pytest.raises(UserError, match=r"refuses the login.*kafka\.properties_file") as refused:
        open_consumer(target(secured, f"kafka.properties_file={wrong}"))
    assert "guessed" not in str(refused.value)
