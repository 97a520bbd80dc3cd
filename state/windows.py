"""Sliding windows over a session's events, in event time: what was done in the last 5 minutes, the last hour, the session."""

from collections.abc import Sequence

from state.configuration import HOUR_MS, MINUTE_MS
from state.recent_events import LoggedEvent

WINDOWS_MS = {"5m": 5 * MINUTE_MS, "1h": HOUR_MS, "session": None}


def window_counts(events: Sequence[LoggedEvent]) -> dict[str, dict[str, int]]:
    """Events by type in (newest - window, newest]; `events` oldest first. Empty windows do not occur: the newest is in each."""
    counts: dict[str, dict[str, int]] = {name: {} for name in WINDOWS_MS}
    newest_ms = events[-1].timestamp_ms if events else 0
    for event in reversed(events):
        for name, length_ms in WINDOWS_MS.items():
            if length_ms is None or event.timestamp_ms > newest_ms - length_ms:
                counts[name][event.event_type] = counts[name].get(event.event_type, 0) + 1
    return counts
