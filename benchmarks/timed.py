"""The whole job with a clock around what its session operator calls; `benchmarks.profile_job --calls` submits it.

The clock counts CPU of the thread, so a stage does not pay for what others did meanwhile, as it would with samples of stacks: those
are taken where the interpreter is given up, at sockets and crossings into the JVM.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

import operators.session.operator
import state.choosing.thompson_slates
import state.core.batch_core
from benchmarks.profiled import FOLDER_VARIABLE
from benchmarks.stages import Stage, timed_stages
from jobs import personalize
from operators.redis.profiles import ProfileWriter
from operators.session.agenda import Agenda
from operators.session.due_sessions import DueSessions
from operators.session.operator import SessionOperator
from operators.session.outbox import Outbox
from operators.session.store import SessionStore
from operators.task import subtask_index
from state.core.batch_core import BatchCore
from state.personalizer import Personalizer
from state.profile.publishing import Publisher
from state.session.session import Session

WRITE_EVERY_S = 1.0
STAGES = (
    Stage("choosing: candidates, features, the slate", Publisher, "_choose"),
    Stage("choosing: its compiled call", state.choosing.thompson_slates, "thompson_slate"),
    Stage("the profile as JSON", Publisher, "profile"),
    Stage("decoding an event", operators.session.operator, "read_event"),
    Stage("attribution", Personalizer, "_attribute"),
    Stage("the rest of applying an event", Personalizer, "apply_unpublished"),
    Stage("the rest of publishing", Publisher, "publish_due"),
    Stage("the rest of publishing", Publisher, "publish_pending"),
    Stage("the compiled call", state.core.batch_core, "run_batch"),
    Stage("around the compiled call", BatchCore, "run"),
    Stage("state: its bytes", operators.session.operator, "decode_session"),
    Stage("state: its bytes", Session, "encode"),
    Stage("state: reading and writing", SessionStore, "read"),
    Stage("state: reading and writing", SessionStore, "get"),
    Stage("state: reading and writing", SessionStore, "store"),
    Stage("Redis", ProfileWriter, "send"),
    Stage("Redis", ProfileWriter, "have_arrived"),
    Stage("what is to be done later", Agenda, "add"),
    Stage("what is to be done later", Agenda, "done"),
    Stage("what is to be done later", DueSessions, "store"),
    Stage("records for topics and operators", Outbox, "add_all"),
    Stage("records for topics and operators", Outbox, "drain"),
    Stage("the operator itself", SessionOperator, "process_element"),
    Stage("the operator itself", SessionOperator, "on_timer"),
)
"""Each without those that are called in it. Models and lists that are broadcast are not timed."""


class TimedSessionOperator(SessionOperator):
    """Writes seconds by stage to the folder, as `calls-N.json`."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._folder = os.environ[FOLDER_VARIABLE]

    def open(self, runtime_context: Any) -> None:
        """Puts the clock around the calls, until it closes."""
        self._patches = ExitStack()
        self._clock, self._written_s = self._patches.enter_context(timed_stages(STAGES)), 0.0
        super().open(runtime_context)
        self._file = Path(self._folder) / f"calls-{subtask_index(runtime_context)}.json"

    def close(self) -> None:
        """Takes the clock away too."""
        try:
            super().close()
        finally:
            if hasattr(self, "_patches"):
                self._patches.close()

    def process_element(self, value: Any, ctx: Any) -> Any:
        """Writes now and then what the clock says."""
        rows = super().process_element(value, ctx)
        if time.monotonic() - self._written_s > WRITE_EVERY_S:
            self._written_s = time.monotonic()
            temporary = self._file.with_suffix(".part")
            temporary.write_text(json.dumps(self._clock.seconds), encoding="utf-8")
            temporary.replace(self._file)
        return rows


def read_calls(folder: Path) -> dict[str, float]:
    """Seconds by stage over all tasks, as written last."""
    seconds: dict[str, float] = {}
    for file in folder.glob("calls-*.json"):
        for name, value in json.loads(file.read_text(encoding="utf-8")).items():
            seconds[name] = seconds.get(name, 0.0) + value
    return seconds


def print_calls(before: Mapping[str, float], after: Mapping[str, float], events: int) -> None:
    """µs per event of each stage, the largest first."""
    used = {name: (seconds - before.get(name, 0.0)) / max(1, events) * 1e6 for name, seconds in after.items()}
    for name, us in sorted(used.items(), key=lambda item: -item[1]):
        print(f"  {name:44} {us:7.1f} µs")
    print(f"  {'all that is timed':44} {sum(used.values()):7.1f} µs")


if __name__ == "__main__":
    from benchmarks import timed  # by its own name, so that the TaskManager can import the class

    with mock.patch.object(personalize, "SessionOperator", timed.TimedSessionOperator):
        personalize.main(sys.argv[1:])
