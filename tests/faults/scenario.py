"""One fault from before to after: traffic, the fault, recovery by itself, and the books."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.pulse import Outage
from tests.faults.world import World, hold, missing_inputs, now_s, profiles, settle
from tests.integration.learned import is_exact, newest_model, reference
from tests.reference.comparison import assert_equal


def nothing(world: World) -> None:
    """Heals by itself."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong, for how long, and what must have happened before recovery is looked for.

    `replaced` names a process that must be another one afterwards, or `job` for the job's id; empty if nothing need be.
    """

    name: str
    inject: Callable[[World], None]
    heal: Callable[[World], None] = nothing
    hold_s: float = 0.0
    replaced: str = ""
    acts_meanwhile: bool = True
    """Visitors go on with the list that they have. Not while the broker is away: it may bring event time out of step by more than
    rewards are waited for, see docs/guarantees.md."""
    teaches: bool = True
    """Whether the model's sums can be compared afterwards."""
    is_short: bool = False


@dataclass
class Row:
    """What a fault came to."""

    fault: str
    outage: Outage | None = None
    load: float = 0.0
    missing_inputs: int | None = None
    is_exact: bool | None = None
    restarts: list[str] = field(default_factory=list)


def go_through(world: World, fault: Fault, row: Row) -> None:
    """1 traffic; 2 the fault; 3 recovery; 4 traffic; 5 every profile is the newest; 6 the books; 7 the model's sums."""
    visitors = world.visitors()
    seen = [visitor.look(world.shop) for visitor in visitors]
    restarts = len(world.stack.record().restarts)
    before, began = identity(world, fault.replaced), now_s()

    fault.inject(world)
    if fault.acts_meanwhile:
        for visitor, profile in zip(visitors, seen, strict=True):
            visitor.act(world.shop, profile)  # what this profile says may be rolled back
    hold(fault.hold_s)
    fault.heal(world)

    if fault.replaced:
        world.stack.wait_until(lambda: identity(world, fault.replaced) not in ("", before))
    world.wait_until_well()
    row.outage, row.load = world.pulse.outage(began), round(os.getloadavg()[0], 1)
    row.restarts = [f"{one.name}: {one.cause}" for one in world.stack.record().restarts[restarts:]]

    world.rounds(visitors, 2)
    last = settle(world, visitors)
    found = profiles(world, last)
    assert {name: profile["last_event"]["event_id"] for name, profile in found.items()} == last
    for visitor in visitors:
        profile = found[visitor.session]
        assert profile["version"] == profile["counts"]["applied"] == visitor.said
    _check_books(world, row)
    if fault.teaches:
        _check_sums(world, row)


def identity(world: World, what: str) -> str:
    """What names the process or job that runs now."""
    if not what:
        return ""
    with suppress(AssertionError, KeyError):  # it is gone just now
        return world.stack.record().job.id if what == "job" else str(world.pid(what))
    return ""


def _check_books(world: World, row: Row) -> None:
    with world.pulse.paused():
        with suppress(AssertionError):
            world.stack.wait_for(lambda: missing_inputs(world), 0)
        row.missing_inputs = missing_inputs(world)
    assert row.missing_inputs == 0


def _check_sums(world: World, row: Row) -> None:
    with suppress(AssertionError):  # what differs is said below
        world.stack.wait_until(lambda: is_exact(world.shop))
    model, expected = newest_model(world.shop), reference(world.shop)
    assert model is not None
    row.is_exact = False
    assert_equal(model, expected)
    row.is_exact = True
