"""Batches and arrays between the JVM and Python, with each state backend: `SessionTask.java` around the test's own function."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cli.stack.java import find_java_home
from tests.integration.crossing import BUCKETS, EVENTS, SESSIONS

COUNTS = Counter(f"s{number % SESSIONS}" for number in range(1, EVENTS + 1))


@pytest.fixture(scope="module", params=[("hashmap", "true"), ("rocksdb", "false")], ids=["hashmap-log", "rocksdb"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program found."""
    environment = os.environ | {
        "JAVA_HOME": str(find_java_home("")),
        "PYTHONPATH": ":".join([str(Path(__file__).parents[2]), *filter(None, sys.path)]),
    }
    command = [
        sys.executable,
        "-m",
        "tests.integration.crossing",
        *request.param,
        str(tmp_path_factory.mktemp("state")),
    ]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert answer.returncode == 0, answer.stdout[-4_000:] + answer.stderr[-8_000:]
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("FOUND ")]
    told: dict[str, Any] = json.loads(line.removeprefix("FOUND "))
    assert told["missing"] == [], "Flink or PyFlink has changed inside: jobs/flink/ must follow"
    return told


def test_every_input_comes_once_and_in_the_order_of_its_bucket(found: dict[str, Any]) -> None:
    assert (found["seen"], found["in_order"], len(found["keys"])) == (EVENTS, True, BUCKETS)


def test_what_waits_for_a_busy_thread_is_one_call(found: dict[str, Any]) -> None:
    assert found["calls"] < EVENTS / 2
    assert 8 < found["largest"] <= 256


def test_no_watermark_overtakes_what_is_held(found: dict[str, Any]) -> None:
    assert found["overtaken"] == 0


def test_state_is_read_and_written_as_arrays(found: dict[str, Any]) -> None:
    assert len(found["counted"]) == BUCKETS * SESSIONS
    assert sum(found["counted"].values()) == EVENTS
    assert found["drained"] == [str(b"\x00\xff"), "None"]
    assert found["left"] == [[], [None]]


def test_rows_leave_with_their_types(found: dict[str, Any]) -> None:
    assert found["rows"] == {name: [count, "é", 0] for name, count in COUNTS.items()}
