"""How much is measured in a full and in a quick run."""

from typing import NamedTuple


class Plan(NamedTuple):
    """Numbers of events and runs, and times in seconds.

    `compiling` events go through all TaskManagers before the first run, so that their JVMs have compiled the job; none in a quick
    run. `lead` events of a topic come before the counting starts; a run of the job is counted for `longest_s` at most. Each
    section that compares does so `rounds` times in turn. `latency_s` are the seconds at each rate, `long_s` those at `long_rate`;
    one more rate is `share_of_limit` of the throughput that was found, and for `lasting_s` at `lasting_rate` sessions go on from
    beginning to end. `products` are those of a large catalogue, which is compared `catalogue_rounds` times. `up` is
    measured `starts` times, with events for `first_s` after it.
    """

    rounds: int
    events: int
    compiling: int
    lead: int
    longest_s: float
    plain_events: int
    rates: tuple[int, ...]
    latency_s: float
    warm_up_s: float
    share_of_limit: float
    long_rate: int
    long_s: float
    lasting_rate: int
    lasting_s: float
    candidates: tuple[int, ...]
    candidates_s: float
    stage_events: int
    sized_sessions: int
    products: int
    catalogue_rounds: int
    starts: int
    first_s: float


FULL = Plan(
    rounds=5,
    events=1_000_000,
    compiling=80_000,
    lead=30_000,
    longest_s=15.0,
    plain_events=20_000,
    rates=(100, 1_000, 5_000, 10_000),
    latency_s=30.0,
    warm_up_s=15.0,
    share_of_limit=0.8,
    long_rate=1_000,
    long_s=600.0,
    lasting_rate=1_000,
    lasting_s=120.0,
    candidates=(10, 50, 100, 200, 500),
    candidates_s=15.0,
    stage_events=20_000,
    sized_sessions=300,
    products=1_300_000,
    catalogue_rounds=3,
    starts=3,
    first_s=120.0,
)
QUICK = Plan(
    rounds=1,
    events=120_000,
    compiling=0,
    lead=10_000,
    longest_s=4.0,
    plain_events=3_000,
    rates=(1_000, 5_000, 10_000),
    latency_s=5.0,
    warm_up_s=3.0,
    share_of_limit=0.0,
    long_rate=0,
    long_s=0.0,
    lasting_rate=0,
    lasting_s=0.0,
    candidates=(),
    candidates_s=0.0,
    stage_events=4_000,
    sized_sessions=40,
    products=200_000,
    catalogue_rounds=1,
    starts=1,
    first_s=30.0,
)
