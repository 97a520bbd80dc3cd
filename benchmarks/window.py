"""The stretch of a run that is counted: from when it is warm to its last event, or to a limit of time."""

import time
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

Mark = TypeVar("Mark")

POLL_S = 0.1
ASKED_FOR_S = 3.0
"""So long before its limit a run is asked for its count again: an answer takes JobManager and TaskManagers some 140 ms of CPU."""
PATIENCE_S = 300.0
"""For the lead, and for a run that stands still: the machine may do other work."""


class Window(NamedTuple, Generic[Mark]):
    """What was counted, in how many seconds, whether the run came to its end in them, and what `mark` said before and after."""

    events: int
    seconds: float
    complete: bool
    before: Mark
    after: Mark


def watch(
    processed: Callable[[], int],
    lead: int,
    expected: int,
    longest_s: float,
    mark: Callable[[], Mark],
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> Window[Mark]:
    """Follows a run's count. It begins with the first reading of at least `lead`, and ends with `expected` or after `longest_s`.

    Both ends are readings that have just changed: a count that is refreshed in intervals is then equally old at either end. In
    between the run is left alone.

    Raises:
        TimeoutError: the lead, or what comes after the limit, took longer than `PATIENCE_S`.
        RuntimeError: the run was over by the first reading, so that nothing can be counted.
    """
    deadline = clock() + PATIENCE_S
    last = count = processed()
    while count < lead or count == last:
        if clock() > deadline:
            raise TimeoutError(f"only {count} of {lead} events of the lead came in {PATIENCE_S:.0f} s")
        pause(POLL_S)
        last, count = count, processed()
    if count >= expected:
        raise RuntimeError(f"all {expected} events had come by the first reading: it takes more of them")
    first, begun, before = count, clock(), mark()
    pause(max(0.0, longest_s - ASKED_FOR_S))
    while True:
        pause(POLL_S)
        last, count = count, processed()
        if count >= expected or (count != last and clock() - begun >= longest_s):
            return Window(min(count, expected) - first, clock() - begun, count >= expected, before, mark())
        if clock() - begun > longest_s + PATIENCE_S:
            raise TimeoutError(f"the run stands still at {count} of {expected} events")
