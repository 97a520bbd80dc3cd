"""Sliding windows over a session's events, in event time: what was done in the last 5 minutes, the last hour, the session."""

from bisect import bisect_right
from collections.abc import Sequence

from state.configuration import HOUR_MS, MINUTE_MS
from state.events.event import EVENT_TYPES
from state.session.recent_events import LoggedEvent

WINDOWS_MS = {"5m": 5 * MINUTE_MS, "1h": HOUR_MS}
WHOLE_SESSION = "session"
_NAMES = (*WINDOWS_MS, WHOLE_SESSION)


def window_counts(events: Sequence[LoggedEvent]) -> dict[str, dict[str, int]]:
    """Return events by type in (newest - window, newest], and of the whole log; `events` oldest first."""
    kinds = [event.kind for event in events]
    counts = dict.fromkeys(_NAMES, _by_type(kinds))
    if len(events) > 1:
        newest_ms = events[-1].timestamp_ms
        for name, length_ms in WINDOWS_MS.items():
            before_ms = newest_ms - length_ms
            if events[0].timestamp_ms <= before_ms:
                counts[name] = _by_type(kinds[bisect_right(events, before_ms, key=_timestamp) :])
    return counts


def _by_type(kinds: list[int]) -> dict[str, int]:
    if len(kinds) == 1:
        return {EVENT_TYPES[kinds[0]]: 1}
    return {EVENT_TYPES[kind]: kinds.count(kind) for kind in dict.fromkeys(kinds)}


def _timestamp(event: LoggedEvent) -> int:
    return event.timestamp_ms
