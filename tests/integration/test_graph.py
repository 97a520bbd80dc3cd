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
    "kafkasource-default-catalog-default-database-bandit-model-in-1",
    "calc-3",
    "kafkasource-default-catalog-default-database-bundles-1",
    "calc-4",
    "union-2",
    "kafkasource-default-catalog-default-database-candidate-lists-in-1",
    "calc-5",
    "union-3",
    "sinkconversion-3",
    "timestamps-watermarks-2",
    "partition-2",
    "session",
    "datastreamtotable-1",
    "calc-6",
    "exchange-1",
    "windowaggregate-1",
    "calc-7",
    "sinkconversion-4",
    "partition-3",
    "learner",
    "kafkasource-default-catalog-default-database-bandit-model-in-2",
    "calc-8",
    "sinkconversion-5",
    "union-4",
    "partition-4",
    "model",
    "kafkasource-default-catalog-default-database-products-1",
    "calc-9",
    "datastreamtotable-2",
    "calc-10",
    "union-5",
    "exchange-2",
    "windowaggregate-2",
    "calc-11",
    "sinkconversion-6",
    "partition-5",
    "directory",
    "datastreamtotable-3",
    "calc-12",
    "exchange-3",
    "windowaggregate-3",
    "calc-13",
    "sinkconversion-7",
    "partition-6",
    "assortment",
    "datastreamtotable-4",
    "calc-14",
    "correlate-1",
    "calc-15",
    "exchange-4",
    "windowaggregate-4",
    "calc-16",
    "correlate-2",
    "calc-17",
    "sinkconversion-8",
    "partition-7",
    "together",
    "kafkasource-default-catalog-default-database-user-lists-1",
    "calc-18",
    "sinkconversion-9",
    "user-lists",
    "datastreamtotable-5",
    "calc-19",
    "sinkconversion-10",
    "timestamps-watermarks-3",
    "datastreamtotable-6",
    "calc-20",
    "exchange-5",
    "windowaggregate-5",
    "calc-21",
    "calc-22",
    "union-6",
    "sinkconversion-11",
    "union-7",
    "partition-8",
    "users",
    "datastreamtotable-7",
    "session-hints-out-1",
    "datastreamtotable-8",
    "calc-23",
    "calc-24",
    "correlate-3",
    "calc-25",
    "union-8",
    "datastreamtotable-9",
    "calc-26",
    "union-9",
    "datastreamtotable-10",
    "calc-27",
    "union-10",
    "constraintenforcer-1",
    "log-topics-1",
    "datastreamtotable-11",
    "bandit-model-out-1",
    "datastreamtotable-12",
    "datastreamtotable-13",
    "union-11",
    "calc-28",
    "union-12",
    "candidate-lists-out-1",
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
