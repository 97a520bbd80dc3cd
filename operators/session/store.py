"""The sessions of a bucket, in keyed state: what a batch reads and changes, read once and written at its end."""

from collections.abc import Callable, Iterable

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
        self._changed: dict[str, bytes | None] = {}

    def read(self, session_ids: Iterable[str]) -> None:
        """Read sessions that a call will ask for, all at once."""
        names = [session_id for session_id in dict.fromkeys(session_ids) if session_id not in self._known]
        if names:
            self._known.update(zip(names, self._state.get_all(names), strict=True))

    def get(self, session_id: str) -> bytes | None:
        """Return a session's state, None where nothing is held."""
        if session_id not in self._known:
            [self._known[session_id]] = self._state.get_all([session_id])
        return self._known[session_id]

    def put(self, session_id: str, data: bytes | None) -> None:
        """Put what is to be stored, None to hold nothing any more."""
        self._known[session_id] = data
        self._changed[session_id] = data

    def store(self) -> None:
        """Write what has changed."""
        if self._changed:
            held = [data for data in self._changed.values() if data is not None]
            self._state.put_all(list(self._changed), list(self._changed.values()))
            if held:
                self._count("sessions_stored", len(held))
                self._count("session_bytes_stored", sum(map(len, held)))
        self._known.clear()
        self._changed.clear()
