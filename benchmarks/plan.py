"""How much is measured in a full and in a quick run."""

from typing import NamedTuple


class Plan(NamedTuple):
    """Numbers of events and runs, and limits of time in seconds.

    `lead` events of a topic come before the counting starts; a run of the job is counted for `longest_s` at most.
    """

    rounds: int
    events: int
    lead: int
    longest_s: float
    plain_events: int


FULL = Plan(rounds=5, events=1_000_000, lead=50_000, longest_s=90.0, plain_events=20_000)
QUICK = Plan(rounds=2, events=80_000, lead=10_000, longest_s=6.0, plain_events=2_000)
