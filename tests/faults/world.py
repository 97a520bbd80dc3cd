"""A stack under traffic: visitors who teach, a pulse that measures, and the books in which every input must be found again."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cli.stack import control
from jobs.settings import load_settings
from tests.faults.pulse import Pulse
from tests.integration import learned
from tests.integration.conftest import Stack
from tests.integration.shop import Shop
from tests.integration.visitors import PRODUCTS, Habit, Visitor

HABITS: tuple[Habit, ...] = ("explicit", "explicit", "implicit", "late")
WELL_S = 5.0
PATIENCE_S = 300.0
"""Other work may share the machine."""


class PatientStack(Stack):
    """Waits longer than other tests: what is awaited here comes after a fault."""

    def wait_for(self, read: Callable[[], object], wanted: object, seconds: float = PATIENCE_S) -> None:
        super().wait_for(read, wanted, max(seconds, PATIENCE_S))


class World:
    """One stack and all that happens on it, over many faults."""

    def __init__(self, workdir: Path, sets: Iterable[str]) -> None:
        self.workdir = workdir
        self.sets = [*sets, *learned.SETTINGS]
        self.settings = load_settings(None, self.sets, environ={})
        self.stack = self._up()
        self.shop = Shop(self.stack)
        self.pulse = Pulse(self.stack.kafka, self.stack.redis)
        self._seed = 0
        for number in range(PRODUCTS):
            self.shop.product(f"thing-{number}", category_id=f"shelf-{number % 3}", price=5.0 + number)
        self.pulse.start()
        self.stack.wait_until(self.pulse.is_served)

    def up_again(self) -> None:
        """Another `up` in the same work directory, on the same ports."""
        self.stack = self._up()
        self.shop.stack = self.stack

    def pid(self, name: str) -> int:
        """Of a process of the stack as it runs now, or of the supervisor."""
        record = self.stack.record()
        return record.supervisor.pid if name == "supervisor" else record.processes[name].pid

    def signal(self, name: str, number: int) -> None:
        """Sends a signal to a process of the stack."""
        os.kill(self.pid(name), number)

    def visitors(self) -> list[Visitor]:
        """New ones, who have looked around."""
        self._seed += 1
        found = [Visitor(habit, 100 * self._seed + number) for number, habit in enumerate(HABITS)]
        for visitor in found:
            visitor.act(self.shop, None)
        self.rounds(found, 2)
        return found

    def rounds(self, visitors: list[Visitor], count: int) -> None:
        """They look and act, so often."""
        for _ in range(count):
            for visitor in visitors:
                visitor.act(self.shop, visitor.look(self.shop))

    def wait_until_well(self) -> None:
        """Waits until nobody has waited and all of the job has run for a while.

        A death is noticed by Flink after some seconds; until then the job is called RUNNING.
        """
        since = 0.0

        def is_well() -> bool:
            nonlocal since
            if not (self.pulse.is_served() and self.stack.is_running()):
                since = 0.0
                return False
            since = since or now_s()
            return now_s() - since > WELL_S

        self.stack.wait_until(is_well)

    def close(self) -> None:
        """Ends all; the stack with its data."""
        try:
            self.pulse.close()
            self.shop.close()
        finally:
            control.stop_stack(self.workdir)

    def _up(self) -> PatientStack:
        record = control.start_stack(self.settings, self.workdir)
        settings = control.job_settings(self.workdir)
        return PatientStack(record.kafka, record.redis, record.flink, self.workdir, settings, "embedded")


def settle(world: World, visitors: list[Visitor]) -> dict[str, str]:
    """Lets everybody say a last word and get their profile; the last event of each session that the books name."""
    last = {visitor.session: visitor.leave(world.shop) for visitor in visitors}
    for visitor in visitors:
        visitor.look(world.shop)
    return last


def missing_inputs(world: World) -> int:
    """Inputs of the topic that are in no profile's counts and neither a dead letter nor late; below 0 if some are there twice."""
    records = world.shop.records_to_end("user_interactions")
    sessions = sorted({name for record in records if (name := session_of(record.value))})
    counts: Counter[str] = Counter()
    for profile in profiles(world, sessions).values():
        counts.update(profile["counts"])
    dead: int = sum(json.loads(r.value)["topic"] == "user_interactions" for r in world.shop.records("dead_letters"))
    return len(records) - int(counts.total()) - dead - len(world.shop.records("late_events"))


def profiles(world: World, sessions: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The profiles that there are."""
    names = list(sessions)
    values: Any = world.shop.redis.mget([f"heliotrope:profile:{name}" for name in names]) if names else []
    return {name: json.loads(value) for name, value in zip(names, values, strict=True) if value is not None}


def session_of(value: bytes | None) -> str | None:
    """The session that a record names, if it can be told."""
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None
    name = found.get("session_id") if isinstance(found, dict) else None
    return name if isinstance(name, str) and name.isprintable() else None


def hold(seconds: float) -> None:
    """The length of a fault, in which there is nothing to await."""
    threading.Event().wait(seconds)


def now_s() -> float:
    """The clock of the pulse."""
    return time.monotonic()
