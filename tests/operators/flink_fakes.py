"""Stand-ins for what Flink hands an operator. State goes through bytes on each access, as the real backend's does."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from pyflink.datastream import TimeDomain


class ValueState:
    """A keyed value; holds bytes only."""

    def __init__(self, keys: "Context") -> None:
        self._keys = keys
        self._values: dict[str, bytes] = {}

    def value(self) -> bytes | None:
        value = self._values.get(self._keys.key)
        return None if value is None else bytes(value)

    def update(self, value: bytes) -> None:
        assert type(value) is bytes
        self._values[self._keys.key] = bytes(value)

    def clear(self) -> None:
        self._values.pop(self._keys.key, None)


class MapState:
    """A keyed map of bytes."""

    def __init__(self, keys: "Context") -> None:
        self._keys = keys
        self._maps: dict[str, dict[str, bytes]] = {}

    def put(self, name: str, value: bytes) -> None:
        assert type(value) is bytes
        self._maps.setdefault(self._keys.key, {})[name] = value

    def put_all(self, values: dict[str, bytes]) -> None:
        for name, value in values.items():
            self.put(name, value)

    def get(self, name: str) -> bytes | None:
        return self._maps.get(self._keys.key, {}).get(name)

    def remove(self, name: str) -> None:
        self._maps.get(self._keys.key, {}).pop(name, None)

    def items(self) -> Iterator[tuple[str, bytes]]:
        return iter(list(self._maps.get(self._keys.key, {}).items()))

    def values(self) -> Iterator[bytes]:
        return iter(list(self._maps.get(self._keys.key, {}).values()))

    def keys(self) -> Iterator[str]:
        return iter(list(self._maps.get(self._keys.key, {})))

    def is_empty(self) -> bool:
        return not self._maps.get(self._keys.key)

    def clear(self) -> None:
        self._maps.pop(self._keys.key, None)


class ListState:
    """A keyed list of bytes."""

    def __init__(self, keys: "Context") -> None:
        self._keys = keys
        self._lists: dict[str, list[bytes]] = {}

    def add(self, value: bytes) -> None:
        assert type(value) is bytes
        self._lists.setdefault(self._keys.key, []).append(value)

    def get(self) -> Iterator[bytes]:
        return iter(list(self._lists.get(self._keys.key, [])))

    def clear(self) -> None:
        self._lists.pop(self._keys.key, None)


class Counter:
    def __init__(self) -> None:
        self.count = 0

    def inc(self, by: int) -> None:
        self.count += by


class Distribution:
    def __init__(self) -> None:
        self.value = 0

    def update(self, value: int) -> None:
        assert type(value) is int
        self.value = value


class RuntimeContext:
    """Makes state and metrics, and remembers them by name."""

    def __init__(self, context: "Context", subtask: int = 0) -> None:
        self._context = context
        self.states: dict[str, ValueState] = {}
        self.maps: dict[str, MapState] = {}
        self.lists: dict[str, ListState] = {}
        self.counters: dict[str, Counter] = {}
        self.distributions: dict[str, Distribution] = {}
        self.calls = Calls()
        info = SimpleNamespace(getIndexOfThisSubtask=lambda: subtask, getNumberOfParallelSubtasks=lambda: 1)
        self._runtime_context = SimpleNamespace(getTaskInfo=lambda: info)

    def get_state(self, descriptor: Any) -> ValueState:
        return self.states.setdefault(descriptor.name, ValueState(self._context))

    def get_map_state(self, descriptor: Any) -> MapState:
        return self.maps.setdefault(descriptor.name, MapState(self._context))

    def get_list_state(self, descriptor: Any) -> ListState:
        return self.lists.setdefault(descriptor.name, ListState(self._context))

    def get_keyed_state_backend(self) -> Any:
        return SimpleNamespace(_function_context=SimpleNamespace(_j_context=self.calls))

    def get_metrics_group(self) -> "RuntimeContext":
        return self

    def distribution(self, name: str) -> Distribution:
        return self.distributions.setdefault(name, Distribution())

    def counter(self, name: str) -> Counter:
        return self.counters.setdefault(name, Counter())

    def add_group(self, label: str, value: str) -> "LabelledGroup":
        return LabelledGroup(self, f"{{{label}={value}}}")


class LabelledGroup:
    """Counters with a label, which stands behind their name."""

    def __init__(self, runtime: RuntimeContext, label: str) -> None:
        self._runtime, self._label = runtime, label

    def counter(self, name: str) -> Counter:
        return self._runtime.counter(name + self._label)


class Calls:
    """The session operator's own calls into the JVM, which takes tuples for arrays."""

    def __init__(self) -> None:
        self.rows: list[tuple[Any, ...]] = []

    def collect(self, rows: tuple[tuple[Any, ...], ...]) -> None:
        assert type(rows) is tuple
        assert all(type(row) is tuple for row in rows)
        self.rows += rows

    def drain(self) -> list[tuple[Any, ...]]:
        """Return the rows that were sent since the last time."""
        rows, self.rows = self.rows, []
        return rows


class NamedState:
    """In place of a `NamedState`: it reads and writes many at once."""

    def __init__(self, runtime: RuntimeContext, name: str) -> None:
        self._map = runtime.maps.setdefault(name, MapState(runtime._context))

    def get_all(self, names: Sequence[str]) -> list[bytes | None]:
        return [self._map.get(name) for name in names]

    def put_all(self, names: Sequence[str], data: Sequence[bytes | None]) -> None:
        for name, value in zip(names, data, strict=True):
            self._map.remove(name) if value is None else self._map.put(name, value)


def drain_map(named: MapState, calls: Calls, names: Sequence[str]) -> list[bytes | None]:
    """In place of `drain_map`."""
    found = [named.get(name) for name in names]
    for name in names:
        named.remove(name)
    return found


class BroadcastState:
    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}

    def put(self, key: str, value: bytes) -> None:
        assert isinstance(value, bytes)
        self._entries[key] = value

    def remove(self, key: str) -> None:
        self._entries.pop(key, None)

    def items(self) -> Iterator[tuple[str, bytes]]:
        return iter(list(self._entries.items()))


class Context:
    """The context of a call: current key, timers, watermark and broadcast state."""

    def __init__(self) -> None:
        self.key = ""
        self.watermark_ms = -(2**63)
        self.event_timers: set[tuple[str, int]] = set()
        self.processing_timers: set[tuple[str, int]] = set()
        self.broadcast = BroadcastState()
        self.domain = TimeDomain.EVENT_TIME

    def get_current_key(self) -> str:
        return self.key

    def timer_service(self) -> "Context":
        return self

    def current_watermark(self) -> int:
        return self.watermark_ms

    def register_event_time_timer(self, timestamp: int) -> None:
        self.event_timers.add((self.key, timestamp))

    def register_processing_time_timer(self, timestamp: int) -> None:
        self.processing_timers.add((self.key, timestamp))

    def get_broadcast_state(self, descriptor: Any) -> BroadcastState:
        return self.broadcast

    def time_domain(self) -> Any:
        return self.domain
