"""The measure: does the list that a session has hold the product that it turns to next, and at which rank?"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.recommend.stream import Best

LENGTH = 10
"""Items of a list that are looked at."""
FIRST_EVENT = "first event"
STATUSES = (FIRST_EVENT, "cold", "warming", "active")
RESAMPLES = 1_000


class Observation(NamedTuple):
    """What was listed when a session turned to a product.

    `places` has the product's rank, from 1, in each arm's list, 0 where it is not among the first LENGTH; `places_of_new` the
    rank among those listed that are new to the session. `is_new` says that the session has not touched the product before,
    `is_held` that the catalogue has it: what it has not, no list can hold but that of what is popular.
    """

    session: str
    status: str
    is_new: bool
    is_held: bool
    places: tuple[int, ...]
    places_of_new: tuple[int, ...]
    best: Best | None


class Figure(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


def rank(product_id: str, listed: Sequence[str]) -> int:
    """The product's rank among the first LENGTH, from 1; 0 where it is not there."""
    first = listed[:LENGTH]
    return first.index(product_id) + 1 if product_id in first else 0


def hits(places: NDArray[np.int64]) -> NDArray[np.float64]:
    """1 for each rank in the list, 0 for none."""
    return (places > 0).astype(np.float64)


def reciprocal_ranks(places: NDArray[np.int64]) -> NDArray[np.float64]:
    """1/rank, 0 for none."""
    return np.where(places > 0, 1.0 / np.maximum(places, 1), 0.0)


def means(values: NDArray[np.float64], sessions: Sequence[str]) -> list[Figure]:
    """The mean of each column of `values` (n, k), with a bootstrap interval over whole sessions.

    A session's events are no independent draws, so sessions are drawn with replacement, and a mean is Σ values / n over those drawn
    (Efron and Tibshirani 1993, section 8.6, on blocks). The columns share the draws; the seed is fixed.

    Raises:
        ValueError: there are no values.
    """
    if not len(values):
        raise ValueError("there is no event to measure")
    _, group = np.unique(np.array(sessions), return_inverse=True)
    number = int(group.max()) + 1
    columns = [*values.T, np.ones(len(values))]
    sums = np.stack([np.bincount(group, weights=column, minlength=number) for column in columns])
    rng = np.random.default_rng(0)
    drawn = np.empty((RESAMPLES, len(columns)))
    for index in range(RESAMPLES):
        drawn[index] = sums @ np.bincount(rng.integers(number, size=number), minlength=number)
    low, high = np.quantile(drawn[:, :-1] / drawn[:, -1:], [0.025, 0.975], axis=0)
    return [Figure(*map(float, column)) for column in zip(values.mean(axis=0), low, high, strict=True)]
