"""The sessions of a bucket, in keyed state: what a batch reads and changes, read once and written at its end."""

from collections.abc import Callable

from pyflink.datastream import RuntimeContext

from operators.named_state import NamedState

SESSIONS = "sessions"
"""The state's name."""


class SessionStore:
    """Versioned bytes of sessions by id. Between `store` and the next access the key of the state may change."""

    def __init__(self, runtime_context: RuntimeContext, count: Callable[[str, int], None]) -> None:
        self._count = count
        self._state = NamedState(runtime_context, SESSIONS)
        self._known: dict[str, bytes | None] = {}
        self._changed: set[str] = set()

    def get(self, session_id: str) -> bytes | None:
        """Return a session's state, None where nothing is held."""
        if session_id not in self._known:
            self._known[session_id] = self._state.get(session_id)
        return self._known[session_id]

    def put(self, session_id: str, data: bytes | None) -> None:
        """Put what is to be stored, None to hold nothing any more."""
        self._known[session_id] = data
        self._changed.add(session_id)

    def store(self) -> None:
        """Write what has changed."""
        stored = size = 0
        for session_id in self._changed:
            data = self._known[session_id]
            if data is None:
                self._state.remove(session_id)
            else:
                self._state.put(session_id, data)
                stored, size = stored + 1, size + len(data)
        if stored:
            self._count("sessions_stored", stored)
            self._count("session_bytes_stored", size)
        self._known.clear()
        self._changed.clear()
