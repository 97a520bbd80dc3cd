"""What is measured one after the other, each section a module with a `run`, and what is made of it."""

from collections.abc import Callable
from typing import Any

import msgspec

from benchmarks.plan import Plan
from benchmarks.stack import Stack
from benchmarks.throughput import TOPIC, Load, prepare

TASK_MANAGERS = (1, 2)


class Bench(msgspec.Struct):
    """What a section works with: the stack that all of them share, the plan, who to tell, and the figures of earlier sections."""

    stack: Stack
    plan: Plan
    say: Callable[[str], None]
    values: dict[str, Any] = {}
    preloaded: dict[str, Load] = {}

    @property
    def task_managers(self) -> int:
        """The number of TaskManagers that was faster; 1 where that was not measured."""
        return int(self.values.get("task_managers", 1))

    def load(self, sessions: int | None = None) -> Load:
        """The topic with the plan's events, of real sessions or of so many; filled when it is asked for first."""
        topic = TOPIC if sessions is None else f"{TOPIC}-{sessions}"
        if topic not in self.preloaded:
            load = Load(topic, self.plan.events, self.plan.lead, self.plan.longest_s)
            found = prepare(self.stack, load, len(self.preloaded), sessions)
            self.preloaded[topic] = load
            self.say(f"topic {topic} has {load.events:,} events of {found:,} sessions")
        return self.preloaded[topic]
