"""From when on a session's events may be used: consent by its latest word, and what was erased.

Withdrawal and erasure work backwards as well: events that are not later are dropped whenever they arrive.
"""

from bisect import insort

import msgspec

GRANTS_KEPT = 16


class Consent(msgspec.Struct, array_like=True):
    """Times in ms since the epoch, 0 where there is none.

    `denied_ms` is the latest withdrawal, `erased_ms` the latest erasure; `grants_ms` the grants after the withdrawal, oldest first.
    """

    denied_ms: int = 0
    erased_ms: int = 0
    grants_ms: list[int] = []

    @property
    def granted_ms(self) -> int:
        """The earliest grant after the latest withdrawal."""
        return self.grants_ms[0] if self.grants_ms else 0

    def record(self, granted: bool, timestamp_ms: int) -> None:
        """Take a consent event in, in any order of arrival. At equal times the withdrawal wins."""
        if granted and timestamp_ms > self.denied_ms:
            if timestamp_ms not in self.grants_ms:
                insort(self.grants_ms, timestamp_ms)
            del self.grants_ms[1 : 1 + max(0, len(self.grants_ms) - GRANTS_KEPT)]
        elif not granted:
            self.denied_ms = max(self.denied_ms, timestamp_ms)
            self.grants_ms = [grant for grant in self.grants_ms if grant > self.denied_ms]

    def erase(self, timestamp_ms: int) -> None:
        """Take an erasure in."""
        self.erased_ms = max(self.erased_ms, timestamp_ms)

    def is_given(self, denied_by_default: bool) -> bool:
        """Return whether the session's data may be used now."""
        return bool(self.grants_ms) or not (self.denied_ms or denied_by_default)

    def usable_after_ms(self, denied_by_default: bool) -> int:
        """Return the time after which events may be used while consent is given."""
        consented_after_ms = self.granted_ms - 1 if self.denied_ms or denied_by_default else 0
        return max(self.erased_ms, consented_after_ms)

    def has_marker(self) -> bool:
        """Return whether something must be remembered although no event is kept."""
        return bool(self.denied_ms or self.erased_ms or self.grants_ms)
