"""The sessions of a bucket, in keyed state: what a batch reads and changes, read once and written at its end."""

from typing import Any
from zlib import crc32

from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

PARTS = 16
"""Maps that a bucket's sessions are spread over: on the heap Flink copies a map whole where it changes while a checkpoint is
being written, so each is to be small."""


class SessionStore:
    """Versioned bytes of sessions by id. Between `store` and the next access the key of the state may change."""

    def __init__(self, runtime_context: RuntimeContext) -> None:
        self._parts: list[Any] = [
            runtime_context.get_map_state(
                MapStateDescriptor(f"sessions-{part}", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
            )
            for part in range(PARTS)
        ]
        self._known: dict[str, bytes | None] = {}
        self._changed: set[str] = set()

    def get(self, session_id: str) -> bytes | None:
        """A session's state, None where nothing is held."""
        if session_id not in self._known:
            self._known[session_id] = self._parts[_part_of(session_id)].get(session_id)
        return self._known[session_id]

    def put(self, session_id: str, data: bytes | None) -> None:
        """What is to be stored, None to hold nothing any more."""
        self._known[session_id] = data
        self._changed.add(session_id)

    def store(self) -> None:
        """Writes what has changed: one call for each part, as a call costs more than a session."""
        updates: dict[int, dict[str, bytes]] = {}
        for session_id in self._changed:
            data, part = self._known[session_id], _part_of(session_id)
            if data is None:
                self._parts[part].remove(session_id)
            else:
                updates.setdefault(part, {})[session_id] = data
        for part, changed in updates.items():
            self._parts[part].put_all(changed)
        self._known.clear()
        self._changed.clear()


def _part_of(session_id: str) -> int:
    """The same on every machine and after every start."""
    return crc32(session_id.encode("utf-8", "surrogatepass")) % PARTS
