"""What is known of the moment of an event: time of day, season, device, and whatever the shop tells in `context`."""

from state.events.event import Event

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
YEAR_MS = 31_556_952_000
SEASON_MS = YEAR_MS // 4
DECEMBER_MS = 31 * DAY_MS
DAYPARTS = ("night", "morning", "afternoon", "evening")
SEASONS = ("winter", "spring", "summer", "autumn")
MOST_TOLD = 8
"""Entries of `context` that are looked at, the first by name."""
LONGEST = 64
"""Characters of a moment's name."""
_TIMES = tuple(f"time:{daypart}" for daypart in DAYPARTS)
_SEASONS = tuple(f"season:{season}" for season in SEASONS)


def moment_of(event: Event) -> list[str]:
    """Return names such as `time:evening`, `season:autumn`, `device:phone`, `weather:rain`; in UTC, seasons of the north."""
    time_ms = event.timestamp
    moment = [_TIMES[time_ms % DAY_MS // (6 * HOUR_MS)], _SEASONS[_season(time_ms)]]
    if event.device:
        moment.append(f"device:{event.device}"[:LONGEST])
    if event.context:
        moment += [f"{name}:{value}"[:LONGEST] for name, value in sorted(event.context.items())[:MOST_TOLD]]
    return moment


def _season(timestamp_ms: int) -> int:
    """By the day of a mean year: winter begins with December."""
    return (timestamp_ms + DECEMBER_MS) % YEAR_MS // SEASON_MS
