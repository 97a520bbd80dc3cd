"""Whether the running job would take events of these times, before any is sent."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from cli.errors import UserError
from cli.output import duration_text
from state.configuration import Events

FEW = 0.01  # of a file's times may be dirt; more are a clock or a unit that is wrong


def check_age(oldest_ms: int, clock_ms: int | None, events: Events) -> None:
    """Refuse events that would only become late events; `clock_ms` is the job's watermark, None where it has none yet.

    Raises:
        UserError: the oldest event is too old; names the options that help.
    """
    if clock_ms is not None and oldest_ms < clock_ms - events.allowed_lateness_ms:
        raise UserError(
            f"the oldest event ({as_utc(oldest_ms)}) lies {duration_text(clock_ms - oldest_ms)} before the job's clock"
            f" ({as_utc(clock_ms)}), and events.allowed_lateness is {duration_text(events.allowed_lateness_ms)}:"
            " use --shift-to-now, or --send-late to send them to late_events"
        )


def check_future(newest_ms: int, now_ms: int, events: Events) -> None:
    """Refuse events that would only become dead letters, being too far ahead of the wall clock.

    Raises:
        UserError: the newest event is too far ahead; names the option that helps.
    """
    if newest_ms > now_ms + events.max_future_ms:
        raise UserError(
            f"the newest event ({as_utc(newest_ms)}) lies {duration_text(newest_ms - now_ms)} ahead of the clock, and"
            f" events.max_future is {duration_text(events.max_future_ms)}: use --shift-to-now"
        )


def newest_of(times_ms: NDArray[np.int64], latest_ms: int) -> tuple[int, int]:
    """Return the newest time, and how many lie beyond `latest_ms`; as long as those are few, they are dirt and not the newest."""
    astray = times_ms > latest_ms
    count = int(astray.sum())
    if 0 < count <= FEW * len(times_ms):
        return int(times_ms[~astray].max()), count
    return int(times_ms.max()), 0


def as_utc(time_ms: int) -> str:
    """Return a time for a person."""
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
