"""Keyed state of bytes by name, with an entry of its own for each."""

from collections.abc import Sequence
from typing import Any

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor


class NamedState:
    """Map state of which each name is an entry of the state backend.

    A map is one entry. On the heap Flink copies an entry whole where it is used while a checkpoint is still being written, so of
    large maps all would be there twice, and events would wait while they are copied. A name is what Flink calls a namespace, as
    a window is to its own windows; PyFlink has the call, but offers it to windows alone.

    All that a call reads crosses from the JVM at once, and so does all that it writes: `jobs/flink/Calls.java` has them.
    """

    def __init__(self, runtime_context: RuntimeContext, name: str) -> None:
        from pemja import findClass  # these two work in a TaskManager alone
        from pyflink.fn_execution.embedded.state_impl import KeyedStateBackend

        backend = runtime_context.get_keyed_state_backend()
        strings = findClass("org.apache.flink.api.common.typeutils.base.StringSerializer").INSTANCE
        by_name = KeyedStateBackend(backend._function_context, backend._keyed_state_backend, strings)
        self._state: Any = by_name.get_value_state(ValueStateDescriptor(name, Types.PICKLED_BYTE_ARRAY()))._state
        self._calls = calls_of(runtime_context)

    def get_all(self, names: Sequence[str]) -> list[bytes | None]:
        """Return what is held under each of the names for the current key."""
        found: list[bytes | None] = self._calls.readValues(self._state, tuple(names))
        return found

    def put_all(self, names: Sequence[str], data: Sequence[bytes | None]) -> None:
        """Hold the bytes under the names, and nothing any more where they are None."""
        self._calls.writeValues(self._state, tuple(names), tuple(data))


def calls_of(runtime_context: RuntimeContext) -> Any:
    """Return the calls of `jobs/flink/Calls.java`, which the session operator has besides PyFlink's own."""
    return runtime_context.get_keyed_state_backend()._function_context._j_context


def drain_map(named: Any, calls: Any, names: Sequence[str]) -> list[Any]:
    """Return what a map state of the current key holds under the names, and remove all of it."""
    return [named._v_converter.to_internal(data) for data in calls.drainMap(named._state, tuple(names))]


def keys_of(named: Any) -> list[str]:
    """Return the keys of a map state of the current key, none of which has a line end: as one text, since each thing that crosses
    from the JVM takes its time."""
    from pemja import findClass

    keys = named._state.keys()
    if keys is None:
        return []
    try:
        joined: str = findClass("java.lang.String").join("\n", keys)
    except Exception:  # a backend whose keys pemja hands over in another form: one by one, then
        return list(named.keys())
    return joined.split("\n") if joined else []
