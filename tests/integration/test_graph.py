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
    "partition-1",
    "kafkasource-default-catalog-default-database-products-1",
    "calc-2",
    "kafkasource-default-catalog-default-database-bandit-model-in-1",
    "calc-3",
    "union-1",
    "sinkconversion-2",
    "timestamps-watermarks-1",
    "partition-2",
    "session",
    "datastreamtotable-1",
    "calc-4",
    "exchange-1",
    "windowaggregate-1",
    "calc-5",
    "sinkconversion-3",
    "partition-3",
    "learner",
    "kafkasource-default-catalog-default-database-bandit-model-in-2",
    "calc-6",
    "sinkconversion-4",
    "union-2",
    "partition-4",
    "model",
    "datastreamtotable-2",
    "calc-7",
    "calc-8",
    "correlate-1",
    "calc-9",
    "union-3",
    "constraintenforcer-1",
    "log-topics-1",
    "datastreamtotable-3",
    "bandit-model-out-1",
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
