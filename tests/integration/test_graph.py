"""The operators' uids: state is found by them, so a change here is a change of what a savepoint can be restored into."""

import json
import os
import subprocess
import sys
from collections import Counter
from typing import Any

from cli.stack import jars
from cli.stack.java import find_java_home

UIDS = [
    "kafkasource-default-catalog-default-database-user-interactions-1",
    "calc-1",
    "sinkconversion-1",
    "session-key-1",
    "kafkasource-default-catalog-default-database-session-hints-in-1",
    "calc-2",
    "sinkconversion-2",
    "timestamps-watermarks-1",
    "gather-1",
    "gather-2",
    "union-1",
    "partition-1",
    "kafkasource-default-catalog-default-database-bandit-model-in-1",
    "calc-3",
    "kafkasource-default-catalog-default-database-bundles-1",
    "calc-4",
    "union-2",
    "kafkasource-default-catalog-default-database-candidate-lists-in-1",
    "calc-5",
    "union-3",
    "kafkasource-default-catalog-default-database-popularity-in-1",
    "calc-6",
    "union-4",
    "sinkconversion-3",
    "timestamps-watermarks-2",
    "partition-2",
    "sessions-by-id-in-8",
    "datastreamtotable-1",
    "calc-7",
    "exchange-1",
    "windowaggregate-1",
    "calc-8",
    "sinkconversion-4",
    "partition-3",
    "learner",
    "kafkasource-default-catalog-default-database-bandit-model-in-2",
    "calc-9",
    "sinkconversion-5",
    "union-5",
    "partition-4",
    "model",
    "kafkasource-default-catalog-default-database-products-1",
    "calc-10",
    "datastreamtotable-2",
    "calc-11",
    "union-6",
    "exchange-2",
    "windowaggregate-2",
    "calc-12",
    "sinkconversion-6",
    "partition-5",
    "directory",
    "datastreamtotable-3",
    "calc-13",
    "exchange-3",
    "windowaggregate-3",
    "calc-14",
    "sinkconversion-7",
    "partition-6",
    "assortment",
    "datastreamtotable-4",
    "calc-15",
    "correlate-1",
    "calc-16",
    "exchange-4",
    "windowaggregate-4",
    "calc-17",
    "correlate-2",
    "calc-18",
    "sinkconversion-8",
    "partition-7",
    "together",
    "kafkasource-default-catalog-default-database-user-lists-1",
    "calc-19",
    "sinkconversion-9",
    "user-lists",
    "datastreamtotable-5",
    "calc-20",
    "sinkconversion-10",
    "timestamps-watermarks-3",
    "datastreamtotable-6",
    "calc-21",
    "exchange-5",
    "windowaggregate-5",
    "calc-22",
    "calc-23",
    "union-7",
    "sinkconversion-11",
    "union-8",
    "partition-8",
    "users",
    "datastreamtotable-7",
    "session-hints-out-1",
    "datastreamtotable-8",
    "calc-24",
    "correlate-3",
    "calc-25",
    "localwindowaggregate-1",
    "exchange-6",
    "globalwindowaggregate-1",
    "calc-26",
    "expand-1",
    "calc-27",
    "localwindowaggregate-2",
    "exchange-7",
    "globalwindowaggregate-2",
    "calc-28",
    "exchange-8",
    "windowrank-1",
    "calc-29",
    "localwindowaggregate-3",
    "exchange-9",
    "globalwindowaggregate-3",
    "calc-30",
    "correlate-4",
    "calc-31",
    "localwindowaggregate-4",
    "exchange-10",
    "globalwindowaggregate-4",
    "calc-32",
    "correlate-5",
    "calc-33",
    "localwindowaggregate-5",
    "exchange-11",
    "globalwindowaggregate-5",
    "calc-34",
    "exchange-12",
    "windowrank-2",
    "calc-35",
    "localwindowaggregate-6",
    "exchange-13",
    "globalwindowaggregate-6",
    "calc-36",
    "union-9",
    "sinkconversion-12",
    "partition-9",
    "popularity",
    "datastreamtotable-9",
    "popularity-out-1",
    "datastreamtotable-10",
    "calc-37",
    "calc-38",
    "correlate-6",
    "calc-39",
    "union-10",
    "datastreamtotable-11",
    "calc-40",
    "union-11",
    "datastreamtotable-12",
    "calc-41",
    "union-12",
    "constraintenforcer-1",
    "log-topics-1",
    "datastreamtotable-13",
    "bandit-model-out-1",
    "datastreamtotable-14",
    "datastreamtotable-15",
    "union-13",
    "calc-42",
    "union-14",
    "candidate-lists-out-1",
]
PROGRAM = """
import json, sys
from jobs.personalize import build_graph, environment_for
from jobs.settings import load_settings
from jobs.streams.kafka import kafka_sinks, kafka_source
settings = load_settings(None, ["kafka.bootstrap=127.0.0.1:1", "redis.url=redis://127.0.0.1:1/0"], {})
environment = environment_for(settings)
environment.add_jars(*sys.argv[1:])
print("UIDS " + json.dumps(build_graph(environment, settings, kafka_source, kafka_sinks)))
tasks = environment._j_stream_execution_environment.getStreamGraph().getJobGraph().getVerticesAsArray()
print("TASKS " + json.dumps([task.getName() for task in tasks]))
"""
GROUPS = """
import json
from jobs.flink.jvm import evenly_spread_keys
from pyflink.java_gateway import get_gateway
flink = get_gateway().jvm.org.apache.flink
def group(key, of):
    row = flink.types.Row(1)
    row.setField(0, key)
    return flink.runtime.state.KeyGroupRangeAssignment.assignToKeyGroup(row, of)
print("GROUPS " + json.dumps([[group(key, of) for key in evenly_spread_keys(count, of)] for count, of in ((8, 1024), (12, 128))]))
"""


def told(program: str, name: str) -> Any:
    """What a program that builds on the JVM prints under the name."""
    connectors = [jar.absolute().as_uri() for jar in jars.connectors(jars.installed())]
    environment = os.environ | {"JAVA_HOME": str(find_java_home(""))}
    answer = subprocess.run(
        [sys.executable, "-c", program, *connectors], env=environment, capture_output=True, text=True, check=True
    )
    [line] = [line for line in answer.stdout.splitlines() if line.startswith(f"{name} ")]
    return json.loads(line.removeprefix(f"{name} "))


def test_every_operator_has_the_uid_that_its_state_is_found_by() -> None:
    assert told(PROGRAM, "UIDS") == UIDS


def test_no_window_holds_the_session_operator_up() -> None:
    """What Flink chains to it, its thread does: also what windows hand on at their end and before each checkpoint."""
    tasks = told(PROGRAM, "TASKS")
    [session] = [task for task in tasks if task.startswith("session")]
    assert "WindowAggregate" not in session
    first = [task for task in tasks if task.startswith("Correlate") and "LocalWindowAggregate" in task]
    assert len(first) == 2, tasks


def test_any_number_of_subtasks_has_its_share_of_the_buckets() -> None:
    """Flink gives subtask i of p the key groups g with g × p // groups = i; buckets of one subtask and another differ by one."""
    for groups, of in zip(told(GROUPS, "GROUPS"), (1_024, 128), strict=True):
        for subtasks in range(1, len(groups) + 1):
            shares = Counter(group * subtasks // of for group in groups)
            sizes = [shares[subtask] for subtask in range(subtasks)]
            assert max(sizes) - min(sizes) <= 1, (subtasks, sizes)
