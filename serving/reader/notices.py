"""Notices of written profiles within one worker: one subscription publishes, whoever waits for a session listens."""

from collections.abc import Callable
from typing import NamedTuple


class Notice(NamedTuple):
    """News of a profile that was written, from the channel `<prefix>:profile-updated`; times in ms since the epoch."""

    session_id: str
    version: int
    updated_at_ms: int


Listener = Callable[[Notice], None]


class NoticeBoard:
    """Place where the worker's one subscription hands on notices; it belongs to one event loop, and no call of it waits.

    Attributes:
        is_live: the subscription stands. While it does not, notices are missed, so a listener must poll.
    """

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}
        self.is_live = False

    def listen(self, session_id: str, listener: Listener) -> Callable[[], None]:
        """Call `listener` at each notice of the session; return what ends it, to be called once."""
        self._listeners.setdefault(session_id, []).append(listener)

        def end() -> None:
            left = self._listeners[session_id]
            left.remove(listener)
            if not left:
                del self._listeners[session_id]

        return end

    def publish(self, notice: Notice) -> None:
        """Hand a notice to those who listen for its session; a listener must not raise."""
        listeners = self._listeners.get(notice.session_id)
        if listeners:
            for listener in tuple(listeners):
                listener(notice)

    def __len__(self) -> int:
        """How many sessions are listened for."""
        return len(self._listeners)
