"""What `up` tells while it works: one line of JSON per step from the supervisor to the command that waits."""

import sys
from typing import Literal

import msgspec


class Step(msgspec.Struct, frozen=True):
    """A step's news: `seconds` since it began; `detail` says what came of it, or in one line why it failed."""

    name: str
    state: Literal["begun", "done", "failed", "ready"]
    seconds: float = 0.0
    detail: str = ""
    tail: tuple[str, ...] = ()


def report(step: Step) -> None:
    """Send one step to the command that waits; raise OSError where it is gone."""
    sys.stdout.write(msgspec.json.encode(step).decode() + "\n")
    sys.stdout.flush()


def read_step(line: bytes) -> Step | None:
    """Return a step from its line; None for anything else."""
    try:
        return msgspec.json.decode(line, type=Step)
    except msgspec.DecodeError:
        return None
