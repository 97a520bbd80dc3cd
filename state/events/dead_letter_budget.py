"""How many dead letters are stored: all, up to a flood; what a flood leaves out is counted in a dead letter of its own."""

from collections import Counter

from state.events.rejection import Origin, Reason, not_stored

BURST_S = 600
"""A task may store so many seconds' worth at once."""


class DeadLetterBudget:
    """A bucket of tokens. What it leaves out is said in the same call, so that a crash neither loses nor repeats any of it."""

    def __init__(self, per_second: int | None) -> None:
        self._per_ms = None if per_second is None else per_second / 1_000
        self._most = 0.0 if per_second is None else float(per_second * BURST_S)
        self._tokens = self._most
        self._filled_ms = 0
        self._left_out: Counter[str] = Counter()
        self._last: Origin | None = None

    def allows(self, reason: Reason, origin: Origin, now_ms: int) -> bool:
        """Return whether the next dead letter is stored; if not, it is counted here."""
        if self._per_ms is None:
            return True
        passed_ms = max(0, now_ms - self._filled_ms)  # the clock may be set back
        self._tokens = min(self._most, self._tokens + self._per_ms * passed_ms)
        self._filled_ms = now_ms
        if self._tokens >= 1:
            self._tokens -= 1
            return True
        self._left_out[reason] += 1
        self._last = origin
        return False

    def drain(self) -> tuple[int, bytes] | None:
        """Return how many were left out since the last time, and the dead letter that says so; None where there were none."""
        if self._last is None:
            return None
        count, letter = self._left_out.total(), not_stored(self._left_out, self._last)
        self._left_out.clear()
        self._last = None
        return count, letter
