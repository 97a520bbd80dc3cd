"""How far a task is behind, and how much less work it does per event until it has caught up. No event is ever dropped.

The lag of a record is the wall clock less its Kafka time. Old records in a new job have waited as well: a replay is a backlog.

1. Lags are judged by stretches of at least 100 ms and five records. A stretch's lag is its median, so that a producer whose clock
   is off switches nothing while it sends less than half of the records. Records without a Kafka time say nothing.
2. A stretch that lags by a level's threshold enters the next level.
3. A level is left when every stretch has lagged by less than half of its threshold for `recover_after`. A silence of that length
   counts as such.
4. A judgement moves by one level at most, and each level takes its own time to be left.
"""

import enum

from state.configuration import Overload as Rules

STRETCH_MS = 100
LEAST_RECORDS = 5
FIRST_TIME_MS = 24 * 3_600_000
"""No record is from the first day of 1970: that is what a missing Kafka time, -1, looks like, whatever it was added to."""


class Level(enum.IntEnum):
    """Degree of what is done about the lag; each level does what the ones before do."""

    NORMAL = 0
    SPACING = 1
    FEWER_CANDIDATES = 2


class Overload:
    """The level of one task, from the records that it takes.

    Attributes:
        level: the level as of the last judgement.
        lag_ms: the lag of the stretch that was judged last, 0 after a silence.
    """

    def __init__(self, settings: Rules) -> None:
        self._recover_after_ms = settings.recover_after_ms
        self._thresholds_ms = (settings.spacing_after_ms, settings.fewer_candidates_after_ms)
        self.level = Level.NORMAL
        self.lag_ms = 0
        self._lags: list[int] = []
        self._began_ms = 0
        self._newest_ms = 0
        self._calm_since_ms: int | None = None

    def observe(self, record_ms: int, now_ms: int) -> bool:
        """Take a record of that Kafka time in at `now_ms`; says whether a stretch was judged."""
        if record_ms < FIRST_TIME_MS:
            return False
        if not self._lags:
            self._began_ms = now_ms
        self._newest_ms = now_ms
        self._lags.append(now_ms - record_ms)
        if len(self._lags) < LEAST_RECORDS or 0 <= now_ms - self._began_ms < STRETCH_MS:
            return False
        lags = sorted(self._lags)
        self._lags.clear()
        self._judge(max(0, lags[len(lags) // 2]), self._began_ms, now_ms)
        return True

    def pass_time(self, now_ms: int) -> bool:
        """Let a silence count; says whether it was judged. To be called every `recover_after` while the level is above normal."""
        if now_ms - self._newest_ms < self._recover_after_ms:
            return False
        self._lags.clear()
        self._judge(0, self._newest_ms, now_ms)
        return True

    def _judge(self, lag_ms: int, began_ms: int, now_ms: int) -> None:
        self.lag_ms = lag_ms
        level = self.level
        if level < Level.FEWER_CANDIDATES and lag_ms >= self._thresholds_ms[level]:
            self.level, self._calm_since_ms = Level(level + 1), None
        elif level == Level.NORMAL or 2 * lag_ms >= self._thresholds_ms[level - 1]:
            self._calm_since_ms = None
        else:
            self._calm_since_ms = began_ms if self._calm_since_ms is None else self._calm_since_ms
            if now_ms - self._calm_since_ms >= self._recover_after_ms:
                self.level, self._calm_since_ms = Level(level - 1), None
