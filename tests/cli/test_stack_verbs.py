"""What the verbs say and how they end where nothing runs, or cannot."""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.errors import UserError
from cli.main import app
from cli.stack import jars, plan
from cli.stack.record import ProcessRecord, StackRecord, write_record
from cli.stack.resume import MAGIC
from cli.stack.submitting import origin_uri
from jobs.errors import ConfigurationError
from jobs.settings import load_settings

NOTHING_RUNS = 3


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.fixture(autouse=True)
def _as_if_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jars, "installed", list)
    entry = tmp_path / "personalize.py"
    entry.touch()
    monkeypatch.setattr(plan, "entry_file", lambda: entry)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str) -> str:
    answer = call(*arguments)
    assert isinstance(answer.exception, UserError | ConfigurationError), answer.output
    message = str(answer.exception)
    assert "\n" not in message
    return message


def test_status_with_nothing_running_exits_with_3(tmp_path: Path) -> None:
    answer = call("status", "--workdir", str(tmp_path / "none"))
    assert isinstance(answer.exception, UserError)
    assert answer.exception.exit_code == NOTHING_RUNS
    assert "heliotrope up" in str(answer.exception)
    assert call("status", "--json", "--workdir", str(tmp_path / "none")).exit_code != 0


def test_status_after_the_supervisors_death_says_so(tmp_path: Path) -> None:
    record = StackRecord("k:1", "redis://r", "http://f", ProcessRecord(os.getpid(), 0.0), "running")
    write_record(tmp_path / "stack.json", record)
    answer = call("status", "--workdir", str(tmp_path))
    assert isinstance(answer.exception, UserError)
    assert answer.exception.exit_code == NOTHING_RUNS
    assert "supervisor" in str(answer.exception)
    assert "heliotrope up" in str(answer.exception)


def test_down_with_nothing_running_says_so_and_succeeds(tmp_path: Path) -> None:
    for _ in range(2):
        answer = call("down", "--workdir", str(tmp_path))
        assert answer.exit_code == 0
        assert "no stack runs" in answer.output


def test_down_touches_no_folder_that_is_not_its_own(tmp_path: Path) -> None:
    precious = tmp_path / "data" / "file"
    precious.parent.mkdir()
    precious.touch()
    assert call("down", "--workdir", str(tmp_path)).exit_code == 0
    assert precious.exists()


def test_up_refuses_a_folder_with_other_things_in_it(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    assert "choose another --workdir" in refusal("up", "--workdir", str(tmp_path))


def test_up_refuses_a_file_as_work_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert "choose another --workdir" in refusal("up", "--workdir", str(path))


@pytest.mark.parametrize("key", ["kafka_port", "redis_port", "flink_port"])
def test_up_names_the_port_that_is_taken(tmp_path: Path, used_port: int, key: str) -> None:
    message = refusal("up", "--workdir", str(tmp_path / "w"), "--set", f"local.{key}={used_port}")
    assert f"local.{key}: port {used_port} is in use" in message


def test_up_names_a_wrong_java_home(tmp_path: Path) -> None:
    message = refusal("up", "--workdir", str(tmp_path / "w"), "--set", f"local.java_home={tmp_path}")
    assert message.startswith("local.java_home: no Java in")


def test_up_names_an_old_java(tmp_path: Path) -> None:
    java = tmp_path / "java" / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    message = refusal("up", "--workdir", str(tmp_path / "w"), "--set", f"local.java_home={tmp_path / 'java'}")
    assert "is Java 11, needed is 17" in message


def test_up_asks_for_fetch_where_jars_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> list[Path]:
        raise UserError("the jars are missing: run `heliotrope fetch`")

    monkeypatch.setattr(jars, "installed", absent)
    assert "heliotrope fetch" in refusal("up", "--workdir", str(tmp_path / "w"))


def test_up_names_a_kafka_that_does_not_answer(
    tmp_path: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "KAFKA_TIMEOUT_MS", 300)
    message = refusal("up", "--workdir", str(tmp_path / "w"), "--set", f"kafka.bootstrap=127.0.0.1:{unused_port}")
    assert message.startswith(f"kafka.bootstrap: no Kafka answers at 127.0.0.1:{unused_port}")


def test_up_names_a_redis_that_does_not_answer_without_its_password(tmp_path: Path, unused_port: int) -> None:
    url = f"redis://:secret@127.0.0.1:{unused_port}/0"
    message = refusal("up", "--workdir", str(tmp_path / "w"), "--set", f"redis.url={url}")
    assert message.startswith(f"redis.url: no Redis answers at redis://127.0.0.1:{unused_port}/0")
    assert "secret" not in message


def test_up_refuses_a_bad_configuration(tmp_path: Path) -> None:
    assert "bandit.epsilon" in refusal("up", "--workdir", str(tmp_path / "w"), "--set", "bandit.epsilon=2")
    assert not (tmp_path / "w").exists()


def test_up_refuses_kept_data_without_its_state_and_starts_empty_only_when_asked_to(tmp_path: Path) -> None:
    data = tmp_path / "work" / "data"
    data.mkdir(parents=True)
    (tmp_path / "work" / "stack.lock").touch()
    (data / "resume.json").write_text('["savepoints/savepoint-1"]')
    workdir = ("--workdir", str(tmp_path / "work"))
    said = refusal("up", *workdir)
    assert f"the savepoint {data}/savepoints/savepoint-1 is gone" in said
    assert said.endswith("start empty with `heliotrope up --fresh`")
    assert (data / "resume.json").exists()
    assert "no Redis answers" in refusal("up", "--fresh", *workdir, "--set", "redis.url=redis://127.0.0.1:1/0")
    assert not (data / "resume.json").exists()


def test_submit_says_where_it_found_no_state(tmp_path: Path) -> None:
    cluster = ("submit", "--jobmanager", "localhost:1")
    assert f"--from {tmp_path}: no savepoint or checkpoint is there" in refusal(*cluster, "--from", str(tmp_path))
    assert "set it, or name the savepoint" in refusal(*cluster, "--from", "latest")
    below = ("--from", "latest", "--set", f"flink.checkpoint_dir={tmp_path}")
    assert f"no complete checkpoint or savepoint is below {tmp_path}" in refusal(*cluster, *below)
    for number, name in enumerate(("a/chk-3", "b/chk-1", "savepoint-1")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "_metadata").write_bytes(struct.pack(">iiq", MAGIC, 4, 1) if number < 2 else b"")
        os.utime(tmp_path / name / "_metadata", (number, number))
    settings = load_settings(None, [f"flink.checkpoint_dir={tmp_path}"], environ={})
    assert origin_uri(settings, "latest") == f"file://{tmp_path}/b/chk-1"
    assert origin_uri(settings, f"file:{tmp_path}/a/chk-3") == f"file://{tmp_path}/a/chk-3"
    assert origin_uri(settings, "s3://bucket/savepoint-1") == "s3://bucket/savepoint-1"


def test_submit_needs_every_address(unused_port: int) -> None:
    assert refusal("submit", "--jobmanager", "localhost:1").startswith("kafka.bootstrap is not set")
    kafka = ("--set", "kafka.bootstrap=localhost:1")
    assert refusal("submit", "--jobmanager", "localhost:1", *kafka).startswith("redis.url is not set")
    both = (*kafka, "--set", "redis.url=redis://localhost:1/0")
    assert "write it as HOST:PORT" in refusal("submit", "--jobmanager", "localhost", *both)
    assert "no JobManager answers" in refusal("submit", "--jobmanager", f"127.0.0.1:{unused_port}", *both)
