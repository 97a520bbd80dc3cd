"""The doctor on a healthy stack, and on deployments that are sick in one thing each: real topics, Redis, files and JobManager."""

import json
import tempfile
import uuid
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.doctoring.finding import Finding
from cli.doctoring.flink import look_at_flink
from cli.doctoring.kafka import look_at_kafka
from cli.doctoring.machine import look_at_secrets
from cli.doctoring.redis import look_at_redis
from cli.endpoints import Endpoints
from cli.main import app
from cli.options import Target
from cli.stack.topics import open_admin
from jobs.settings import load_settings
from tests.integration.conftest import Stack
from tests.redis_server import redis_server


def worst(findings: list[Finding]) -> dict[str, str]:
    return {finding.about: finding.mend for finding in findings if finding.level == "error"}


def doctor(stack: Stack, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--json", "--workdir", str(stack.workdir), *arguments])


def test_a_healthy_stack_has_nothing_to_mend(stack: Stack) -> None:
    stack.wait_until(lambda: doctor(stack).exit_code == 0)
    tree = json.loads(doctor(stack).stdout)
    assert tree["ok"] is True
    about = {finding["about"] for finding in tree["findings"] if finding["level"] == "ok"}
    assert {
        "Kafka",
        "transactions",
        "topics",
        "Redis",
        "clocks",
        "Flink",
        "TaskManagers",
        "checkpoints",
        "Python",
    } <= about


def test_a_missing_topic_and_one_with_two_partitions_are_found(stack: Stack) -> None:
    name = f"sick-{uuid.uuid4().hex[:8]}"
    names = {"bandit_model": name, "products": f"{name}-gone", "user_interactions": f"{name}-events"}
    sets = [f"kafka.topics.{topic}={given}" for topic, given in names.items()]
    admin = open_admin(stack.settings, stack.kafka)
    try:
        configs = {"max.message.bytes": "1048588"}  # Kafka's own default, which the embedded broker's is not
        new = {name: {"num_partitions": 2, "replication_factor": 1, "configs": configs}}
        new |= {
            f"{name}-events": {"num_partitions": 2, "replication_factor": 1, "configs": {"retention.ms": "3600000"}}
        }
        admin.create_topics(new, timeout_ms=15_000)
        target = Target(load_settings(None, sets, environ={}), Endpoints(stack.kafka, "", ""))
        findings = look_at_kafka(target)
    finally:
        admin.delete_topics([name, f"{name}-events"])
        admin.close()
    of_model = [finding.found for finding in findings if finding.about == f"topic {name}"]
    assert any("2 partitions" in found for found in of_model)
    assert any("cleanup.policy=delete" in found for found in of_model)
    assert any("takes records of" in found for found in of_model)
    [short_lived] = [finding for finding in findings if "keeps records for 1 h" in finding.found]
    assert short_lived.mend.endswith(f"--topic {name}-events --add-config retention.ms=86400000")
    assert f"--topic {name}-gone" in worst(findings)[f"topic {name}-gone"]


def test_a_redis_that_removes_profiles_is_found() -> None:
    with redis_server() as server:
        client = server.start()
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        target = Target(load_settings(None, [], environ={}), Endpoints("", server.url, ""))
        assert "noeviction" in worst(look_at_redis(target))["Redis memory"]
        client.config_set("maxmemory-policy", "noeviction")
        assert worst(look_at_redis(target)) == {}
        client.config_set("maxmemory", "1mb")
        assert "raise maxmemory" in worst(look_at_redis(target))["Redis memory"]


def test_a_redis_that_is_away_is_one_finding(tmp_path: Path) -> None:
    target = Target(load_settings(None, [], environ={}), Endpoints("", "redis://127.0.0.1:1/0", ""))
    assert list(worst(look_at_redis(target))) == ["Redis"]


@pytest.mark.parametrize(("mode", "sick"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_secret_that_everybody_reads_is_found(tmp_path: Path, mode: int, sick: bool) -> None:
    secret = tmp_path / "salt"
    secret.write_text("s3cret")
    secret.chmod(mode)
    settings = load_settings(None, [f"events.salt_file={secret}"], environ={})
    assert worst(list(look_at_secrets(settings))) == ({"events.salt_file": f"chmod 600 {secret}"} if sick else {})


def test_a_secret_that_is_not_there_is_found(tmp_path: Path) -> None:
    settings = load_settings(None, [f"events.salt_file={tmp_path / 'none'}"], environ={})
    assert "correct the path" in worst(list(look_at_secrets(settings)))["events.salt_file"]


def test_a_job_that_is_unknown_and_a_job_manager_that_is_away_are_found(stack: Stack) -> None:
    found = {finding.about: finding.found for finding in look_at_flink(stack.flink, stack.settings, "0" * 32)}
    assert "LOST" in found["job 00000000"]
    assert "no JobManager answers" in look_at_flink("http://127.0.0.1:1", stack.settings)[0].found


def test_a_checkpoint_folder_that_does_not_last_is_found(stack: Stack) -> None:
    settings = load_settings(None, [f"flink.checkpoint_dir={tempfile.gettempdir()}/checkpoints"], environ={})
    found = {finding.about: finding for finding in look_at_flink(stack.flink, settings, stack.record().job.id)}
    assert found["checkpoint folder"].level == "warning"
    assert "flink.checkpoint_dir" in found["checkpoint folder"].mend
