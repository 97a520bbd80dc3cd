"""Medians and spreads of runs, and the figures that come of them."""

import statistics
from collections.abc import Iterable
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
