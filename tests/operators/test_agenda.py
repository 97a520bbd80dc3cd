"""What a bucket has to do by the wall clock."""

import pytest

from operators.session.agenda import Agenda, Entry, Task
from tests.operators.flink_fakes import Context, RuntimeContext

STARTED_MS, DUE_MS = 1_000, 1_020


@pytest.fixture
def context() -> Context:
    context = Context()
    context.key = "b"
    return context


def test_what_is_due_at_the_same_time_is_one_entry_and_one_timer(context: Context) -> None:
    runtime = RuntimeContext(context)
    agenda = Agenda(runtime, STARTED_MS)
    agenda.add("b", Task.WRITTEN, DUE_MS, ["s1", "s2"], context)
    agenda.add("b", Task.WRITTEN, DUE_MS, ["s2", "s3"], context)
    [(name, entry)] = agenda.due("b", DUE_MS)
    assert entry == Entry(Task.WRITTEN, DUE_MS, ["s1", "s2", "s3"])
    assert context.processing_timers == {("b", DUE_MS)}
    restored = Agenda(runtime, STARTED_MS + 1)
    assert restored.due("b", DUE_MS) == [(name, entry)]
    assert restored.was_restored(name)


def test_another_time_or_task_is_another_entry(context: Context) -> None:
    agenda = Agenda(RuntimeContext(context), STARTED_MS)
    agenda.add("b", Task.WRITTEN, DUE_MS, ["s1"], context)
    agenda.add("b", Task.PENDING, DUE_MS, ["s1"], context)
    agenda.add("b", Task.PENDING, DUE_MS + 20, ["s1"], context)
    assert len(agenda.due("b", DUE_MS)) == 2
    assert len(agenda.due("b", DUE_MS + 20)) == 3


def test_what_is_done_is_not_added_to(context: Context) -> None:
    agenda = Agenda(RuntimeContext(context), STARTED_MS)
    agenda.add("b", Task.WRITTEN, DUE_MS, ["s1"], context)
    [(name, _)] = agenda.due("b", DUE_MS)
    agenda.done("b", name)
    agenda.add("b", Task.WRITTEN, DUE_MS, ["s2"], context)
    [(_, entry)] = agenda.due("b", DUE_MS)
    assert entry.names == ["s2"]
