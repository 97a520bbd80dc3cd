"""Metrics of an operator: counters by name, made when they first count."""

from collections.abc import Mapping
from typing import Any


class Counters:
    """Counters under the operator's metric group. They restart at zero with the operator, so dashboards use their increase."""

    def __init__(self, group: Any) -> None:
        self._group = group
        self._counters: dict[str, Any] = {}

    def add(self, name: str, by: int) -> None:
        """Counts; names come from a closed set."""
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._group.counter(name)
        if by:
            counter.inc(by)

    def add_all(self, counts: Mapping[str, int]) -> None:
        """Counts several."""
        for name, by in counts.items():
            self.add(name, by)
