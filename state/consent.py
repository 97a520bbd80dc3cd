"""From when on a session's events may be used: consent by its latest word, and what was erased.

Withdrawal and erasure work backwards as well: events that are not later are dropped whenever they arrive.
"""

import msgspec


class Consent(msgspec.Struct, array_like=True):
    """Times in ms since the epoch, 0 where there is none.

    `denied_ms` is the latest withdrawal; `granted_ms` the earliest known grant after it; `latest_grant_ms` the latest grant at all;
    `erased_ms` the latest erasure.
    """

    denied_ms: int = 0
    granted_ms: int = 0
    latest_grant_ms: int = 0
    erased_ms: int = 0

    def record(self, granted: bool, timestamp_ms: int) -> None:
        """Takes a consent event in, in any order of arrival. At equal times the withdrawal wins."""
        if granted:
            self.latest_grant_ms = max(self.latest_grant_ms, timestamp_ms)
            if timestamp_ms > self.denied_ms and (not self.granted_ms or timestamp_ms < self.granted_ms):
                self.granted_ms = timestamp_ms
        elif timestamp_ms > self.denied_ms:
            self.denied_ms = timestamp_ms
            if self.granted_ms <= timestamp_ms:
                self.granted_ms = self.latest_grant_ms if self.latest_grant_ms > timestamp_ms else 0

    def erase(self, timestamp_ms: int) -> None:
        """Takes an erasure in."""
        self.erased_ms = max(self.erased_ms, timestamp_ms)

    def is_given(self, denied_by_default: bool) -> bool:
        """Whether the session's data may be used now."""
        return bool(self.granted_ms) or not (self.denied_ms or denied_by_default)

    def usable_after_ms(self, denied_by_default: bool) -> int:
        """Only events later than this may be used while consent is given."""
        consented_after_ms = self.granted_ms - 1 if self.denied_ms or denied_by_default else 0
        return max(self.erased_ms, consented_after_ms)

    def has_marker(self) -> bool:
        """Whether something must be remembered although no event is kept."""
        return bool(self.denied_ms or self.erased_ms or self.latest_grant_ms)
