"""What an operator makes of the interpreter, whose full collections look at what is new alone, and of the clock."""

import gc
import shutil
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from operators import task
from operators.build import BUILD_ID
from operators.task import begin_task

ROOT = Path(__file__).parents[2]


class Node:
    """One that can refer to itself, and to which weak references are possible."""

    def __init__(self) -> None:
        self.itself: Node | None = None


@pytest.fixture(autouse=True)
def interpreter_as_before() -> Iterator[None]:
    """What a task does to the interpreter is for a TaskManager's life."""
    yield
    if task._set_aside in gc.callbacks:
        gc.callbacks.remove(task._set_aside)
    gc.unfreeze()


@pytest.mark.parametrize(
    ("now_ms", "after_ms", "expected_ms"),
    [(1_000, 0, 1_500), (1_499, 0, 1_500), (1_000, 125, 1_125), (1_125, 125, 1_625)],
)
def test_a_tick_is_the_next_that_is_so_long_after_a_multiple(
    monkeypatch: pytest.MonkeyPatch, now_ms: int, after_ms: int, expected_ms: int
) -> None:
    monkeypatch.setattr(task, "wall_clock_ms", lambda: now_ms)
    assert task.next_tick_ms(500, after_ms) == expected_ms


def test_what_survived_a_full_collection_is_not_looked_at_again() -> None:
    begin_task(BUILD_ID)
    held = [Node() for _ in range(1_000)]
    gc.collect()
    assert gc.get_freeze_count() > len(held)
    assert not any(each is held[0] for each in gc.get_objects())


def test_what_is_set_aside_is_freed_once_nothing_refers_to_it() -> None:
    begin_task(BUILD_ID)
    node = Node()
    gc.collect()
    gone = weakref.ref(node)
    del node
    assert gone() is None


def test_the_next_task_finds_cycles_that_an_ended_one_left() -> None:
    begin_task(BUILD_ID)
    node = Node()
    node.itself = node
    gc.collect()
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is not None  # part of a cycle, and set aside
    begin_task(BUILD_ID)
    gc.collect()
    assert gone() is None


def test_however_many_tasks_begin_there_is_one_callback() -> None:
    for _ in range(3):
        begin_task(BUILD_ID)
    assert gc.callbacks.count(task._set_aside) == 1


def test_a_task_imports_all_operators_while_the_folder_of_the_jobs_packages_is_there(tmp_path: Path) -> None:
    """Flink unpacks them anew at each start of the job; after a failure an operator may move to a TaskManager that never had it."""
    for name in ("operators", "state", "jobs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    program = """
import shutil, sys
sys.path.insert(0, sys.argv[1])
from operators.task import begin_task
from operators.build import BUILD_ID
begin_task(BUILD_ID)
shutil.rmtree(sys.argv[1])
import operators.model.operator, operators.session.operator, operators.together
print(operators.model.operator.__file__)
"""
    command = [sys.executable, "-P", "-c", program, str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(str(tmp_path))
