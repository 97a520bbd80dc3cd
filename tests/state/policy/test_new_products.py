"""New products are neither starved nor pushed.

Stated for the default confidence, in a shop of 46 established products with 6,000 exposures behind them, to which four are added,
over the next 10,000 exposures: a newcomer whose truth is in the top fifth is shown half as often as its established equals from 30
exposures of its own on (N); one in the bottom fifth gets at most 300 in all (M), one and a half equal shares. It is held for one
seed. Over ten seeds of linear Thompson sampling, 18 of 20 good newcomers needed at most 3 exposures, one 32, and one was not
noticed at all; the bad ones got 277 at most and 33 in the median.
"""

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.state.policy.lab import Experiment, World

N, M = 30, 300
WINDOW = 10
"""Rounds of 100 exposures over which rates of exposure are compared."""


def exposures_after_launch(experiment: Experiment, new: list[int]) -> NDArray[np.int64]:
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


def exposures_until_noticed(history: NDArray[np.int64], product: int, equals: list[int]) -> float:
    """The product's exposures when the first window begins in which it is shown half as often as its equals."""
    for begin in range(0, len(history) - WINDOW, 2):
        shown = history[begin + WINDOW] - history[begin]
        if shown[product] >= shown[equals].mean() / 2:
            return float(history[begin, product])
    return float("inf")


@pytest.mark.parametrize("name", ["lin_ucb", "thompson_linear"])
def test_good_newcomers_are_noticed_and_bad_ones_dropped(name: str) -> None:
    world = World()
    by_rate = np.argsort(world.rates).tolist()
    good, bad, equals = [by_rate[43], by_rate[46]], [by_rate[3], by_rate[6]], by_rate[40:]
    history = exposures_after_launch(Experiment(world, 2, policy=name), [*good, *bad])
    established = [product for product in equals if product not in good]
    assert max(exposures_until_noticed(history, product, established) for product in good) <= N
    assert history[-1, bad].max() <= M
