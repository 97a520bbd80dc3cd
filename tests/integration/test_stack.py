"""What `up` promises: loopback only, one supervisor that restarts what dies, nothing left after `down`."""

import ipaddress
import os
import signal
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import redis
from typer.testing import CliRunner

from cli.errors import UserError
from cli.main import app
from cli.stack import control
from cli.stack.flink_rest import FlinkRest
from cli.stack.topics import open_admin, wanted_topics
from jobs.settings import load_settings
from operators.metrics import BY_NAME, prometheus_name
from tests.integration.conftest import Stack

NOTHING_RUNS = 3


def test_everything_listens_on_loopback_alone(stack: Stack) -> None:
    supervisor = psutil.Process(stack.record().supervisor.pid)
    family = [supervisor, *supervisor.children(recursive=True)]
    listening = [
        connection.laddr
        for process in family
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN or (connection.type == 2 and not connection.raddr)
    ]
    assert len(listening) >= 5
    assert [address for address in listening if not ipaddress.ip_address(address.ip).is_loopback] == []


def test_every_topic_is_there_in_its_form(stack: Stack) -> None:
    admin = open_admin(stack.settings, stack.kafka)
    wanted = wanted_topics(stack.settings)
    found = {topic["name"]: topic for topic in admin.describe_topics([topic.name for topic in wanted])}
    admin.close()
    assert {name: len(topic["partitions"]) for name, topic in found.items()} == {
        topic.name: topic.partitions for topic in wanted
    }


def test_the_brokers_transactions_are_of_version_2(stack: Stack) -> None:
    """With the older protocol a delayed commit can end a later transaction, see docs/guarantees.md."""
    if stack.kind != "embedded":
        pytest.skip("this broker is not the stack's own")
    admin = open_admin(stack.settings, stack.kafka)
    features = admin.describe_features()
    admin.close()
    assert features["transaction.version"]["finalized"][1] == 2


def test_what_no_visitor_waits_for_stands_behind(stack: Stack) -> None:
    processes = stack.record().processes
    tasks = Path(f"/proc/{processes['taskmanager-1'].pid}/task")

    def niceness(name: str) -> set[int]:
        """Of the threads whose names begin so."""
        found: set[int] = set()
        for task in tasks.iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                if (task / "comm").read_text().startswith(name):
                    found.add(os.getpriority(os.PRIO_PROCESS, int(task.name)))
        return found

    usual = niceness("session")
    assert len(usual) == 1
    stack.wait_until(lambda: all(min(niceness(name)) > max(usual) for name in ("GlobalWindow", "WindowRank", "C2")))
    assert niceness("together") == niceness("learner") == usual
    assert os.getpriority(os.PRIO_PROCESS, processes["jobmanager"].pid) > max(usual)


def test_a_second_up_changes_nothing(stack: Stack) -> None:
    before = stack.record()
    answer = CliRunner().invoke(app, ["up", "--workdir", str(stack.workdir)])
    assert answer.exit_code == 0, answer.output
    assert "runs already" in answer.output
    assert stack.record().processes == before.processes


def test_a_second_start_is_refused_by_the_lock(stack: Stack) -> None:
    with pytest.raises(UserError, match="starting or stopping"):
        control.start_stack(load_settings(environ={}), stack.workdir)


def test_status_has_the_contracts_form(stack: Stack) -> None:
    def status() -> dict[str, Any]:
        answer = CliRunner().invoke(app, ["status", "--json", "--workdir", str(stack.workdir)])
        assert answer.exit_code == 0, answer.output
        return dict(msgspec.json.decode(answer.output))

    # Other tests let the job fail several times in a row, and for a while after that it is not called RUNNING.
    stack.wait_for(lambda: status()["job"]["state"], "RUNNING", 120)
    tree = status()
    assert (tree["kafka"], tree["redis"], tree["flink"]) == (stack.kafka, stack.redis, stack.flink)
    assert tree["job"]["state"] == "RUNNING"
    assert tree["health"] in ("ok", "degraded")
    assert tree["details"]["checkpoint_age_ms"] is not None
    assert tree["task_managers"] == 1


def test_rocksdb_is_refused_where_task_managers_lack_the_memory_for_it(stack: Stack) -> None:
    addresses = (f"kafka.bootstrap={stack.kafka}", f"redis.url={stack.redis}", "flink.state_backend=rocksdb")
    sets = [argument for address in addresses for argument in ("--set", address)]
    jobmanager = stack.flink.removeprefix("http://")
    answer = CliRunner().invoke(app, ["submit", "--jobmanager", jobmanager, *sets])
    assert isinstance(answer.exception, UserError), answer.output
    assert "taskmanager.memory.managed.size" in str(answer.exception)
    assert stack.is_running()


def test_a_killed_task_manager_comes_back_and_the_job_runs_again(stack: Stack) -> None:
    victim = stack.record().processes["taskmanager-1"]
    os.kill(victim.pid, signal.SIGKILL)
    stack.wait_until(lambda: stack.record().processes["taskmanager-1"].pid != victim.pid, 15)
    stack.wait_until(lambda: bool(FlinkRest(stack.flink).failures(stack.record().job.id)), 20)
    stack.wait_until(stack.is_running)
    assert stack.record().processes["taskmanager-1"].restarts == victim.restarts + 1
    assert stack.record().restarts[-1].cause == "SIGKILL"


def test_a_killed_redis_comes_back(stack: Stack) -> None:
    if stack.kind != "embedded":
        pytest.skip("this Redis is not the stack's own")
    victim = stack.record().processes["redis"]
    os.kill(victim.pid, signal.SIGKILL)
    client = redis.Redis.from_url(stack.redis)

    def is_back() -> bool:
        try:
            return stack.record().processes["redis"].restarts == victim.restarts + 1 and bool(client.ping())
        except redis.ConnectionError:
            return False

    stack.wait_until(is_back, 15)
    client.close()
    stack.wait_until(stack.is_running)


def test_a_job_manager_that_dies_gets_its_job_back_from_a_checkpoint(stack: Stack) -> None:
    before = stack.record().job.id
    checkpoints = Path(stack.workdir) / "data" / "checkpoints" / before
    stack.wait_until(lambda: any(checkpoints.glob("chk-*/_metadata")))
    os.kill(stack.record().processes["jobmanager"].pid, signal.SIGKILL)
    stack.wait_until(lambda: stack.record().job.id != before, 60)
    stack.wait_until(stack.is_running)
    cause = next(restart.cause for restart in stack.record().restarts if restart.name == "job")
    assert f"{before}/chk-" in cause


def test_down_leaves_no_process_and_a_kept_stack_resumes(stack: Stack, tmp_path: Path) -> None:
    """Runs next to the shared stack: several stacks in different work directories must not meet."""
    if stack.kind != "embedded":
        pytest.skip("starts a stack of its own, and once is enough")
    workdir = tmp_path / "second"
    settings = load_settings(None, ["kafka.partitions=1"], environ={})
    record = control.start_stack(settings, workdir)
    pids = [process.pid for process in (record.supervisor, *record.processes.values())]
    with redis.Redis.from_url(record.redis) as client:
        client.set("kept", "yes")
    point = control.stop_stack(workdir, keep_data=True)
    assert point is not None
    assert "savepoint" in point
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []

    record = control.start_stack(settings, workdir)
    pids = [process.pid for process in (record.supervisor, *record.processes.values())]
    with redis.Redis.from_url(record.redis) as client:
        assert client.get("kept") == b"yes"
    assert "from file:" in (workdir / "logs" / "supervisor.log").read_text()
    os.kill(record.supervisor.pid, signal.SIGKILL)
    for pid in pids[1:]:
        psutil.wait_procs([psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10)
    assert control.running(workdir) is None
    assert CliRunner().invoke(app, ["status", "--workdir", str(workdir)]).exit_code != 0
    control.stop_stack(workdir)
    assert [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"] == []
    assert not (workdir / "data").exists()
    assert stack.is_running()


def test_prometheus_finds_every_process_and_the_histograms(stack: Stack) -> None:
    url = stack.record().metrics

    def text() -> str:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return str(answer.read().decode())

    def names() -> set[str]:
        return {line.partition("{")[0] for line in text().splitlines() if not line.startswith("#")}

    bucket = prometheus_name(BY_NAME["click_to_redis_ms"])
    wanted = {"flink_jobmanager_job_numRestarts", f"{bucket}_bucket", prometheus_name(BY_NAME["event_lag_ms"])}
    stack.wait_until(lambda: wanted <= names())
    assert 'le="+Inf"' in text()
    assert 'heliotrope_process_restarts{process="taskmanager-1"}' in text()
