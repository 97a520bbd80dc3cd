"""What is known of the moment of an event: time of day, season, device, and whatever the shop tells in `context`."""

from state.event import Event

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
DAYPARTS = ("night", "morning", "afternoon", "evening")
SEASONS = ("winter", "spring", "summer", "autumn")
MOST_TOLD = 8
"""Entries of `context` that are looked at, the first by name."""
LONGEST = 64
"""Characters of a moment's name."""


def moment_of(event: Event) -> list[str]:
    """Names such as `time:evening`, `season:autumn`, `device:phone`, `weather:rain`; the time is UTC, the seasons the north's."""
    moment = [f"time:{DAYPARTS[event.timestamp % DAY_MS // (6 * HOUR_MS)]}", f"season:{_season(event.timestamp)}"]
    if event.device:
        moment.append(f"device:{event.device}"[:LONGEST])
    if event.context:
        moment += [f"{name}:{value}"[:LONGEST] for name, value in sorted(event.context.items())[:MOST_TOLD]]
    return moment


def _season(timestamp_ms: int) -> str:
    """By the day of the year: winter begins with December."""
    day = timestamp_ms / DAY_MS % 365.2425
    return SEASONS[int((day + 31) % 365.2425 / 91.310625) % 4]
