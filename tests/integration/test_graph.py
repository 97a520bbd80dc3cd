"""The operators' uids: state is found by them, so a change here is a change of what a savepoint can be restored into."""

import json
import os
import subprocess
import sys

from cli.stack import jars
from cli.stack.java import find_java_home

UIDS = [
    "kafkasource-default-catalog-default-database-user-interactions-1",
    "calc-1",
    "sinkconversion-1",
    "kafkasource-default-catalog-default-database-session-hints-in-1",
    "calc-2",
    "sinkconversion-2",
    "timestamps-watermarks-1",
    "union-1",
    "partition-1",
    "kafkasource-default-catalog-default-database-products-1",
    "calc-3",
    "kafkasource-default-catalog-default-database-bandit-model-in-1",
    "calc-4",
    "union-2",
    "kafkasource-default-catalog-default-database-bundles-1",
    "calc-5",
    "union-3",
    "kafkasource-default-catalog-default-database-candidate-lists-in-1",
    "calc-6",
    "union-4",
    "sinkconversion-3",
    "timestamps-watermarks-2",
    "partition-2",
    "session",
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
    "datastreamtotable-2",
    "calc-10",
    "correlate-1",
    "calc-11",
    "exchange-2",
    "windowaggregate-2",
    "calc-12",
    "correlate-2",
    "calc-13",
    "sinkconversion-6",
    "partition-5",
    "together",
    "kafkasource-default-catalog-default-database-user-lists-1",
    "calc-14",
    "sinkconversion-7",
    "user-lists",
    "datastreamtotable-3",
    "calc-15",
    "sinkconversion-8",
    "timestamps-watermarks-3",
    "datastreamtotable-4",
    "calc-16",
    "exchange-3",
    "windowaggregate-3",
    "calc-17",
    "calc-18",
    "union-6",
    "sinkconversion-9",
    "union-7",
    "partition-6",
    "users",
    "datastreamtotable-5",
    "session-hints-out-1",
    "datastreamtotable-6",
    "calc-19",
    "calc-20",
    "correlate-3",
    "calc-21",
    "union-8",
    "datastreamtotable-7",
    "calc-22",
    "union-9",
    "constraintenforcer-1",
    "log-topics-1",
    "datastreamtotable-8",
    "bandit-model-out-1",
    "datastreamtotable-9",
    "together-out-1",
]
PROGRAM = """
import json, sys
from jobs.personalize import build_graph, environment_for
from jobs.settings import load_settings
settings = load_settings(None, ["kafka.bootstrap=127.0.0.1:1", "redis.url=redis://127.0.0.1:1/0"], {})
environment = environment_for(settings)
environment.add_jars(*sys.argv[1:])
print("UIDS " + json.dumps(build_graph(environment, settings)))
"""


def test_every_operator_has_the_uid_that_its_state_is_found_by() -> None:
    connectors = [jar.absolute().as_uri() for jar in jars.connectors(jars.installed())]
    environment = os.environ | {"JAVA_HOME": str(find_java_home(""))}
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, *connectors], env=environment, capture_output=True, text=True, check=True
    )
    [line] = [line for line in answer.stdout.splitlines() if line.startswith("UIDS ")]
    assert json.loads(line.removeprefix("UIDS ")) == UIDS
