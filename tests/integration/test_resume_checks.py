"""What is looked at in a savepoint before a job resumes from it, on the last release's own. Needs a JVM and no stack."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.stack import jars
from cli.stack.java import find_java_home

GOLDEN = Path(__file__).parents[1] / "golden" / "stack-0.1.0.tar.xz"
PROGRAM = """
import json, shutil, sys
from pathlib import Path
from jobs import resuming
from jobs.kept_state import ResumeError, missing_files, read_kept
from jobs.personalize import build_graph, environment_for
from jobs.settings import load_settings
from jobs.streams.kafka import kafka_sinks, kafka_source

folder, half, empty = map(Path, sys.argv[1:4])
def settings(*sets):
    given = ["kafka.bootstrap=127.0.0.1:1", "redis.url=redis://127.0.0.1:1/0", "flink.buckets=2", "flink.parallelism=2"]
    return load_settings(None, [*given, *sets], {})

environment = environment_for(settings())
environment.add_jars(*sys.argv[4:])
build_graph(environment, settings(), kafka_source, kafka_sinks)
kept, operators = read_kept(str(folder)), resuming.new_operators(environment)
wider = {operator: one._replace(parallelism=1) for operator, one in operators.items()}
java = environment._j_stream_execution_environment.getConfiguration()

def refusal(check, *arguments):
    try:
        return check(*arguments) or ""
    except ResumeError as error:
        return str(error)

def changelog(path, mode):
    java.setString(resuming.STATE_PATH, path)
    java.setString(resuming.CLAIM_MODE, mode)
    java.setString(resuming.CHANGELOG, "true")
    return refusal(resuming.check_resume, environment, settings()) or java.getString(resuming.CHANGELOG, "")

def with_parallelism_1(mode):
    before = resuming.new_operators
    resuming.new_operators = lambda environment: wider
    try:
        return changelog(str(folder), mode)
    finally:
        resuming.new_operators = before

def in_application_mode(path):
    java.setString(resuming.TARGET, resuming.APPLICATION)
    try:
        return changelog(path, "CLAIM")
    finally:
        java.setString(resuming.TARGET, "remote")

print("FOUND " + json.dumps({
    "files": sum(len(one.files) for one in kept.values()), "missing": missing_files(kept),
    "foreign": sorted(kept.keys() - operators.keys()),
    "claimed, more subtasks": changelog(str(folder), "CLAIM"),
    "claimed, as many": with_parallelism_1("CLAIM"),
    "not claimed, as many": with_parallelism_1("NO_CLAIM"),
    "fits": refusal(resuming.check_fit, "here", kept, operators, settings()),
    "buckets": refusal(resuming.check_fit, "here", kept, operators, settings("flink.buckets=3")),
    "key groups": refusal(resuming.check_fit, "here", kept, operators, settings("flink.max_parallelism=512")),
    "removed operator": refusal(
        resuming.check_fit, "here", kept | {"f" * 32: next(iter(kept.values()))}, operators, settings()),
    "half": changelog(str(half), "CLAIM"),
    "nothing": changelog(str(empty), "CLAIM"),
    "gone, application mode": in_application_mode(str(half)),
    "elsewhere": changelog("s3://bucket/savepoint", "CLAIM"),
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the checks say, from one JVM."""
    folder = tmp_path_factory.mktemp("kept")
    with tarfile.open(GOLDEN) as archive:
        archive.extractall(folder, filter="data")
    [savepoint] = (folder / "data" / "savepoints").iterdir()
    half, empty = folder / "half", folder / "empty"
    empty.mkdir()
    half.mkdir()
    (half / "_metadata").write_bytes((savepoint / "_metadata").read_bytes())
    (empty / "_metadata").write_bytes((savepoint / "_metadata").read_bytes()[:1_000])
    connectors = [jar.absolute().as_uri() for jar in jars.connectors(jars.installed())]
    environment = os.environ | {"JAVA_HOME": str(find_java_home(""))}
    command = [sys.executable, "-c", PROGRAM, str(savepoint), str(half), str(empty), *connectors]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-3_000:]
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("FOUND ")]
    return dict(msgspec.json.decode(line.removeprefix("FOUND ")))


def test_a_savepoint_that_fits_and_was_moved_is_taken(found: dict[str, Any]) -> None:
    assert (found["files"], found["missing"], found["foreign"], found["fits"]) == (5, [], [], "")


def test_the_log_of_changes_is_left_out_if_it_would_lose_files(found: dict[str, Any]) -> None:
    """docs/decisions/0023."""
    cases = ("claimed, as many", "claimed, more subtasks", "not claimed, as many")
    assert [found[case] for case in cases] == ["true", "false", "false"]


def test_what_does_not_fit_names_the_key_to_set(found: dict[str, Any]) -> None:
    assert "flink.buckets: the state in here has 2 buckets" in found["buckets"]
    assert found["buckets"].endswith("set flink.buckets=2")
    assert found["key groups"].endswith("set flink.max_parallelism=1024")
    assert "1 operators that this job does not have" in found["removed operator"]
    assert found["removed operator"].endswith("--allow-non-restored-state")


def test_half_a_savepoint_is_refused_in_one_line_that_says_what_is_gone(found: dict[str, Any]) -> None:
    assert "half is incomplete: 5 of its files are gone, the first " in found["half"]
    assert "empty (" in found["nothing"]
    assert "no savepoint or checkpoint can be read at" in found["nothing"]
    assert "\n" not in found["half"] + found["nothing"]


def test_a_new_job_manager_of_an_application_does_not_need_what_the_first_began_from(found: dict[str, Any]) -> None:
    assert found["gone, application mode"] == "false"


def test_state_that_the_client_cannot_see_is_resumed_without_the_log_of_changes(found: dict[str, Any]) -> None:
    assert found["elsewhere"] == "false"
