"""Metrics of an operator: counters and gauges by name, made when they are first used."""

from collections.abc import Mapping
from typing import Any

from operators.metrics import watched_counters


class Counters:
    """Counters under the operator's metric group. They restart at zero with the operator, so dashboards use their increase.

    Each increment would cross into the JVM, which takes longer than much of what is counted: they are summed here and handed on by
    `flush`, which the operator calls in short intervals and when it closes.
    """

    def __init__(self, group: Any, operator: str = "") -> None:
        self._group = group
        self._newest: dict[str, int] = {}
        self._counters: dict[str, Any] = {}
        self._pending: dict[str, int] = {}
        self._gauges: dict[str, Any] = {}
        for name in watched_counters(operator):
            self.add(name, 0)
        self.flush()

    def show(self, name: str, value: int) -> None:
        """Set a gauge, in the JVM and at once.

        PyFlink calls its own gauges from the JVM's metric thread, with the thread state of the operator that runs meanwhile; what
        it calls a distribution is a plain number there.
        """
        gauge = self._gauges.get(name)
        if gauge is None:
            gauge = self._gauges[name] = self._group.distribution(name)
        gauge.update(int(value))  # an enum would not cross into the JVM

    def note(self, name: str, value: int) -> None:
        """Set a gauge with the next `flush`: for what changes often."""
        self._newest[name] = value

    def add(self, name: str, by: int) -> None:
        """Count; names come from a closed set, those of `of_variant` included."""
        self._pending[name] = self._pending.get(name, 0) + by

    def add_all(self, counts: Mapping[str, int]) -> None:
        """Count several."""
        for name, by in counts.items():
            self.add(name, by)

    def flush(self) -> None:
        """Hand on what was counted since the last time."""
        for name, by in self._pending.items():
            counter = self._counters.get(name)
            if counter is None:
                counter = self._counters[name] = self._made(name)
            if by:
                counter.inc(by)
        self._pending.clear()
        for name, value in self._newest.items():
            self.show(name, value)
        self._newest.clear()

    def _made(self, name: str) -> Any:
        plain, _, variant = name.partition(VARIANT)
        return self._group.add_group("variant", variant).counter(plain) if variant else self._group.counter(name)


VARIANT = "@"
"""Not allowed in the name of a variant."""


def of_variant(name: str, variant: str) -> str:
    """Return the name of a counter that has the variant as its label. Variants are few: each label is a time series of its own."""
    return f"{name}{VARIANT}{variant}"
