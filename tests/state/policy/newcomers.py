"""How new products fare: `python -m tests.state.policy.newcomers --policy thompson_linear --confidence 0.3 --seeds 101-120`.

A shop of 46 established products with 6,000 exposures behind them, to which four are added: two whose truth is in the top fifth and
two in the bottom fifth. Then 10,000 exposures more.
"""

import argparse
import sys

import numpy as np
from numpy.typing import NDArray

from tests.state.policy.lab import Experiment, World

N, M = 30, 200
"""A good newcomer is noticed within N exposures of its own; a bad one gets at most M of the 10,000."""
WINDOW = 10
"""Rounds of 100 exposures over which rates of exposure are compared."""


def fates(seed: int, policy: str, confidence: float) -> tuple[list[float], list[int]]:
    """(own exposures of the two good newcomers when they were noticed, all exposures of the two bad ones).

    Noticed: shown at least half as often as the established products of the top fifth, over ten rounds; inf where never.
    """
    world = World()
    by_rate = np.argsort(world.rates).tolist()
    good, bad = [by_rate[43], by_rate[46]], [by_rate[3], by_rate[6]]
    equals = [product for product in by_rate[40:] if product not in good]
    experiment = Experiment(world, seed, policy=policy, confidence=confidence)
    history = _exposures_after_launch(experiment, [*good, *bad])
    return [_exposures_until_noticed(history, product, equals) for product in good], history[-1, bad].tolist()


def _exposures_after_launch(experiment: Experiment, new: list[int]) -> NDArray[np.int64]:
    """(rounds + 1, products): exposures since the new products were listed."""
    established = [i for i in range(experiment.world.products) if i not in new]
    experiment.list_products(established)
    experiment.rounds(60)
    experiment.list_products(new)
    start = experiment.exposures.copy()
    history = [np.zeros_like(start)]
    for _ in range(100):
        experiment.round()
        history.append(experiment.exposures - start)
    return np.array(history)


def _exposures_until_noticed(history: NDArray[np.int64], product: int, equals: list[int]) -> float:
    """The product's exposures when the first window begins in which it is shown half as often as its equals."""
    for begin in range(0, len(history) - WINDOW, 2):
        shown = history[begin + WINDOW] - history[begin]
        if shown[product] >= shown[equals].mean() / 2:
            return float(history[begin, product])
    return float("inf")


def main() -> None:
    """Prints both distributions over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--policy", default="thompson_linear")
    parser.add_argument("--confidence", type=float, default=0.3)
    parser.add_argument("--seeds", default="101-120")
    arguments = parser.parse_args()
    first, last = map(int, arguments.seeds.split("-"))
    noticed: list[float] = []
    shown: list[int] = []
    for seed in range(first, last + 1):
        good, bad = fates(seed, arguments.policy, arguments.confidence)
        noticed += good
        shown += bad
    lines = (
        f"{arguments.policy} {arguments.confidence}, seeds {arguments.seeds}",
        f"good, noticed after: {sorted(noticed)}; {sum(n <= N for n in noticed)} of {len(noticed)} within {N}",
        f"bad, exposures in all: {sorted(shown)}; {sum(n <= M for n in shown)} of {len(shown)} at most {M}",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
