"""Under the default policy new products are neither starved nor pushed, except the odd one: what is stated holds for nine in ten.

With few exposures chance decides about the one that is left: a good product that earns nothing from its first twenty looks like a
bad one, and where it is never noticed it is the floor that keeps it from being forgotten. docs/benchmarks.md has the distributions.
"""

from tests.state.policy.newcomers import M, N, fates

SEEDS = range(101, 111)


def test_good_newcomers_are_noticed_and_bad_ones_dropped() -> None:
    """Linear Thompson sampling, the default: two good and two bad ones at each of ten seeds; of each kind two may be odd."""
    noticed: list[float] = []
    shown: list[int] = []
    for seed in SEEDS:
        good, bad = fates(seed, "thompson_linear", 0.3)
        noticed += good
        shown += bad
    assert sum(exposures <= N for exposures in noticed) >= 0.9 * len(noticed), noticed
    assert sum(exposures <= M for exposures in shown) >= 0.9 * len(shown), shown
