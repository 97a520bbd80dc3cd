"""What an operator makes of the interpreter: full collections look at what is new alone."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from operators import task
from operators.task import begin_task
from state.build import BUILD_ID


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
