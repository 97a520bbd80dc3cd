"""What is written to Redis when it holds as much as it should: less, and not as long."""

import enum

TIGHT_FROM = 0.9
"""Share of the budget from which on profiles of sessions of one event live shorter."""
LEAVE_BELOW = 0.05
"""A level ends when so much of the budget, below its threshold, is free again: it must not come and go with each key."""


class MemoryLevel(enum.IntEnum):
    """Fullness of Redis against `redis.max_bytes`."""

    ROOMY = 0
    TIGHT = 1
    FULL = 2


class MemoryBudget:
    """Budget of memory: how long a profile may live, from what Redis last said that it uses.

    Most sessions have one event and never come back, so theirs go first: when it is tight they live for `short_ttl_ms`; when it is
    full they are not written at all, and all others live for so long, from their next write on.
    """

    def __init__(self, max_bytes: int | None, short_ttl_ms: int) -> None:
        self._max_bytes = max_bytes
        self._short_ttl_ms = short_ttl_ms
        self.level = MemoryLevel.ROOMY

    def observe(self, used_bytes: int) -> bool:
        """Take in how much is used; whether the level is another one now."""
        if not self._max_bytes:
            return False
        before, share = self.level, used_bytes / self._max_bytes
        thresholds = ((MemoryLevel.FULL, 1.0), (MemoryLevel.TIGHT, TIGHT_FROM))
        self.level = next(
            (level for level, from_ in thresholds if share >= (from_ - LEAVE_BELOW if before >= level else from_)),
            MemoryLevel.ROOMY,
        )
        return self.level != before

    def life_ms(self, version: int, life_ms: int = 0) -> int | None:
        """Return the life of a profile of a session of so many events, 0 for the usual one; None where it is not written.

        `life_ms` is the life that it would have, 0 for the usual one.
        """
        is_of_one = version <= 1
        if self.level == MemoryLevel.FULL and is_of_one:
            return None
        if self.level == MemoryLevel.FULL or (self.level == MemoryLevel.TIGHT and is_of_one):
            return min(life_ms, self._short_ttl_ms) if life_ms else self._short_ttl_ms
        return life_ms
