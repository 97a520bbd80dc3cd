"""What a reader keeps of Redis: profiles and lists, the longest unused make room."""

from collections import OrderedDict
from typing import NamedTuple

from serving.reader.popular import PopularList
from serving.reader.stored import StoredProfile

ENTRY_BYTES = 512
"""Of an entry besides the profile's own bytes, about."""


class KeptProfiles:
    """Profiles by session, bounded by number and by bytes."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._profiles: OrderedDict[str, StoredProfile] = OrderedDict()
        self.bytes = 0

    def get(self, session_id: str) -> StoredProfile | None:
        """Return the session's profile as it was last read."""
        profile = self._profiles.get(session_id)
        if profile is not None:
            self._profiles.move_to_end(session_id)
        return profile

    def put(self, session_id: str, profile: StoredProfile) -> None:
        """Keep a profile; the longest unused ones make room."""
        self.drop(session_id)
        self._profiles[session_id] = profile
        self.bytes += len(profile.raw) + ENTRY_BYTES
        while len(self._profiles) > self._most or self.bytes > self._most_bytes:
            self.drop(next(iter(self._profiles)))

    def drop(self, session_id: str) -> None:
        """Forget a session's profile."""
        profile = self._profiles.pop(session_id, None)
        if profile is not None:
            self.bytes -= len(profile.raw) + ENTRY_BYTES

    def __len__(self) -> int:
        return len(self._profiles)


class KeptList(NamedTuple):
    """A list of a region, None if Redis has none, and when that was read, by the reader's clock."""

    found: PopularList | None
    read_at_s: float


class KeptLists:
    """Lists by region, bounded by number: visitors can name regions that never were."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lists: OrderedDict[str, KeptList] = OrderedDict()

    def get(self, region: str) -> KeptList | None:
        """Return the region's list as it was last read."""
        kept = self._lists.get(region)
        if kept is not None:
            self._lists.move_to_end(region)
        return kept

    def put(self, region: str, kept: KeptList) -> None:
        """Keep what was read of a region."""
        self._lists[region] = kept
        self._lists.move_to_end(region)
        if len(self._lists) > self._most:
            self._lists.popitem(last=False)

    def __len__(self) -> int:
        return len(self._lists)
