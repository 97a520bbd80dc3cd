"""The machine code that an install has made is what the job runs."""

import json

from tests.integration.conftest import Stack


def test_the_start_of_a_task_manager_compiles_nothing(stack: Stack) -> None:
    lines = (stack.workdir / "logs" / "taskmanager-1.out").read_text(encoding="utf-8").splitlines()
    said = [entry for line in lines if line.startswith("{") and "kernels" in (entry := json.loads(line))["event"]]
    assert {entry["operator"] for entry in said} >= {"session", "learner"}
    assert [entry for entry in said if entry["event"] != "kernels loaded"] == []
