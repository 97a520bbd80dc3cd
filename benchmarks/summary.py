"""Medians and spreads of runs, and the figures that come of them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec


class Row(NamedTuple):
    """A line of the table."""

    name: str
    median: float
    least: float
    most: float
    decimals: int = 0


class Figures(msgspec.Struct):
    """What a section found: `values` by their names in the result file, `rows` for the table, and the raw `runs`."""

    values: dict[str, Any] = {}
    rows: list[Row] = []
    runs: Any = None


def row(name: str, values: Iterable[float], decimals: int = 0) -> Row:
    """Median and spread."""
    numbers = list(values)
    return Row(name, statistics.median(numbers), min(numbers), max(numbers), decimals)


def column(runs: Iterable[Mapping[str, Any]], name: str) -> list[float]:
    """One number of each run."""
    return [float(run[name]) for run in runs]


def ratios(of: Sequence[float], to: Sequence[float]) -> list[float]:
    """Ratios of runs of the same round.

    Raises:
        ValueError: there are not as many of the one as of the other.
    """
    return [a / b for a, b in zip(of, to, strict=True)]
