"""The chain of sources, without any input or output: fresh profile, stale profile, region's list, list of all, static list.

`Chain.read` is a generator. It yields what it needs, a driver does that and sends the outcome back; the drivers are `sync.py` and
`asynchronous.py`. What comes from Redis goes through `Chain.settle` first, whoever asked for it and however late it comes.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

from serving.reader.answer import Answer, ProfileRequest, Reason, Served, Source
from serving.reader.breaker import CircuitBreaker
from serving.reader.kept import KeptList, KeptLists, KeptProfiles
from serving.reader.notices import Notice
from serving.reader.popular import ALL, PopularList, read_popular
from serving.reader.settings import ReaderSettings
from serving.reader.static_list import StaticList
from serving.reader.stored import StoredProfile, read_stored, with_first_items

FIRST_POLL_S = 0.01
LONGEST_POLL_S = 0.25
MOST_UNANNOUNCED = 10_000
"""Sessions that got less than Redis has, and are announced once it has come."""


class Fetch(NamedTuple):
    """Step that reads these keys by `until_s` of the clock. The outcome: what `Chain.settle` made of each, or why there is
    nothing."""

    keys: tuple[str, ...]
    until_s: float


class Pause(NamedTuple):
    """Step that waits until the session's profile is written anew, or until `until_s`. There is no outcome."""

    session_id: str
    until_s: float


class Behind(NamedTuple):
    """Step that reads these keys later, if at all; nobody waits for it. There is no outcome."""

    keys: tuple[str, ...]


Settled = StoredProfile | PopularList | Reason | None
"""Meaning of what stands under a key: a profile, a list, something else, nothing."""
Outcome = Sequence[Settled] | Reason | None
Reading = Generator[Fetch | Pause | Behind, Outcome, Answer]


class Clock(NamedTuple):
    """A clock that never goes back, in seconds, and the wall clock, in ms since the epoch."""

    monotonic_s: Callable[[], float] = time.monotonic
    wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000


def ignore_count(name: str, count: int) -> None:
    """Count nothing."""


class Chain:
    """State of one reader, and what it decides; not for several threads at once.

    Attributes:
        breaker: fed by the driver, which calls Redis.
        is_pressed: set by a driver that is behind with its work.
    """

    def __init__(
        self,
        settings: ReaderSettings,
        clock: Clock,
        count: Callable[[str, int], None] = ignore_count,
        publish: Callable[[Notice], None] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.count = count
        self.breaker = CircuitBreaker(settings, clock.monotonic_s, count)
        self.profiles = KeptProfiles(settings.cache_entries, settings.cache_bytes)
        self.lists = KeptLists(settings.regions)
        self.static = StaticList(settings, count)
        self.is_pressed = False
        self._publish = publish
        self._unannounced: OrderedDict[str, int] = OrderedDict()
        self._profile_prefix = f"{settings.prefix}:profile:"
        self._popular_prefix = f"{settings.prefix}:popular:"
        self._list_max_age_s = settings.list_max_age_ms / 1_000
        self._stale_max_s = settings.stale_max_ms / 1_000

    def read(self, request: ProfileRequest) -> Reading:
        """Yield the steps of one read; never raise for anything that Redis holds or does."""
        started_s = self.clock.monotonic_s()
        keys = self._keys(request, started_s)
        self._unannounced.pop(request.session_id, None)
        if self.is_pressed and not request.waits and self._stale(request.session_id, started_s) is not None:
            yield Behind(keys)
            return self._fallback(request, Reason.PRESSURE, started_s)
        outcome = yield Fetch(keys, started_s + self._budget_s(request))
        if outcome is None or isinstance(outcome, Reason):
            if outcome == Reason.BREAKER_OPEN and self.breaker.is_slow:
                outcome = Reason.REDIS_SLOW
                yield Behind(keys)
            return self._fallback(request, outcome or Reason.REDIS_AWAY, started_s)
        found, reason = outcome[0], None
        if request.waits and not _knows(found, request):
            found, reason = yield from self._wait(request, found, started_s)
        if isinstance(found, StoredProfile):
            return self._of_profile(request, found, Source.PROFILE, reason, started_s)
        if reason is None:
            reason = found if isinstance(found, Reason) else Reason.NO_PROFILE
        return self._fallback(request, reason, started_s)

    def last_resort(self, request: ProfileRequest) -> Answer:
        """Return the static list, when nothing else can be trusted."""
        return self._of_list(
            request, self.static.newest, Source.STATIC, Reason.INTERNAL_ERROR, self.clock.monotonic_s()
        )

    def settle(self, key: str, raw: bytes | None) -> Settled:
        """Take in what Redis holds under a key, at once or late."""
        now_s = self.clock.monotonic_s()
        if key.startswith(self._profile_prefix):
            return self._settle_profile(key[len(self._profile_prefix) :], raw, now_s)
        return self._settle_list(key[len(self._popular_prefix) :], raw, now_s)

    def forget(self, session_id: str) -> None:
        """Drop what is kept of a session, as after an erasure."""
        self.profiles.drop(session_id)
        self._unannounced.pop(session_id, None)

    def _keys(self, request: ProfileRequest, now_s: float) -> tuple[str, ...]:
        """Return the profile's key, and those of lists that are due: one round trip brings all that may be shown."""
        profile = self._profile_prefix + request.session_id
        lists = (request.region, ALL) if request.region and request.region != ALL else (ALL,)
        due = [region for region in lists if self._is_due(region, now_s)]
        return (profile, *(self._popular_prefix + region for region in due)) if due else (profile,)

    def _is_due(self, region: str, now_s: float) -> bool:
        kept = self.lists.get(region)
        return kept is None or now_s - kept.read_at_s >= self._list_max_age_s

    def _budget_s(self, request: ProfileRequest) -> float:
        return (self.settings.budget_ms if request.budget_ms is None else request.budget_ms) / 1_000

    def _wait(
        self, request: ProfileRequest, found: Settled, started_s: float
    ) -> Generator[Fetch | Pause | Behind, Outcome, tuple[Settled, Reason | None]]:
        """Read again at each notice, and now and then without one, until the profile knows what it must."""
        budget_s = self._budget_s(request)
        until_s = started_s + (budget_s if request.wait_ms is None else request.wait_ms / 1_000)
        poll_s, key = FIRST_POLL_S, self._profile_prefix + request.session_id
        while (now_s := self.clock.monotonic_s()) < until_s:
            yield Pause(request.session_id, min(now_s + poll_s, until_s))
            poll_s = min(2 * poll_s, LONGEST_POLL_S)
            outcome = yield Fetch((key,), self.clock.monotonic_s() + budget_s)
            if outcome is None or isinstance(outcome, Reason):
                self._announce_later(request.session_id)
                return found, outcome
            found = outcome[0]
            if _knows(found, request):
                return found, None
        return found, Reason.NOT_YET

    def _fallback(self, request: ProfileRequest, reason: Reason, started_s: float) -> Answer:
        """Return the best that is here."""
        if reason not in (Reason.NO_PROFILE, Reason.NOT_A_PROFILE, Reason.NOT_YET):
            self._announce_later(request.session_id)
            stale = self._stale(request.session_id, self.clock.monotonic_s())
            if stale is not None:
                return self._of_profile(request, stale, Source.STALE, reason, started_s)
        if request.region and request.region != ALL:
            kept = self.lists.get(request.region)
            if kept is not None and kept.found is not None:
                return self._of_list(request, kept.found, Source.REGION, reason, started_s)
        kept = self.lists.get(ALL)
        if kept is not None and kept.found is not None:
            return self._of_list(request, kept.found, Source.ALL, reason, started_s)
        return self._of_list(request, self.static.newest, Source.STATIC, reason, started_s)

    def _stale(self, session_id: str, now_s: float) -> StoredProfile | None:
        kept = self.profiles.get(session_id)
        return kept if kept is not None and now_s - kept.read_at_s <= self._stale_max_s else None

    def _of_profile(
        self, request: ProfileRequest, found: StoredProfile, source: Source, reason: Reason | None, started_s: float
    ) -> Answer:
        content = found.raw
        if request.limit is not None and request.limit < found.items:
            content = with_first_items(content, request.limit)
        return Answer(content, self._served(source, found.updated_at_ms, reason, started_s))

    def _of_list(
        self, request: ProfileRequest, found: PopularList, source: Source, reason: Reason, started_s: float
    ) -> Answer:
        content = found.as_profile(request.session_id, request.limit)
        return Answer(content, self._served(source, found.updated_at_ms, reason, started_s))

    def _served(self, source: Source, updated_at_ms: int, reason: Reason | None, started_s: float) -> Served:
        age_ms = max(0, self.clock.wall_ms() - updated_at_ms) if updated_at_ms > 0 else 0
        waited_ms = max(0, round((self.clock.monotonic_s() - started_s) * 1_000))
        return Served(source, age_ms, waited_ms, reason)

    def _settle_profile(self, session_id: str, raw: bytes | None, now_s: float) -> Settled:
        if raw is None:
            self.forget(session_id)
            return None
        kept = self.profiles.get(session_id)
        if kept is not None and kept.raw == raw:
            found: StoredProfile | None = kept._replace(read_at_s=now_s)
        else:
            found = read_stored(raw, session_id, now_s)
        if found is None:
            self.count("foreign_profiles", 1)
            self.forget(session_id)
            return Reason.NOT_A_PROFILE
        self.profiles.put(session_id, found)
        self._announce(session_id, found)
        return found

    def _settle_list(self, region: str, raw: bytes | None, now_s: float) -> Settled:
        kept = self.lists.get(region)
        if raw is not None and kept is not None and kept.found is not None and kept.found.raw == raw:
            found: PopularList | None = kept.found
        else:
            settings = self.settings
            found = None if raw is None else read_popular(raw, settings.items, settings.refresh_after_ms)
            if raw is not None and found is None:
                self.count("foreign_lists", 1)
        self.lists.put(region, KeptList(found, now_s))
        if found is not None and region == ALL:
            self.static.offer(found, now_s)
        return found

    def _announce_later(self, session_id: str) -> None:
        """Note that the session gets less than Redis may have."""
        if self._publish is None:
            return
        kept = self.profiles.get(session_id)
        self._unannounced[session_id] = kept.updated_at_ms if kept is not None else 0
        self._unannounced.move_to_end(session_id)
        if len(self._unannounced) > MOST_UNANNOUNCED:
            self._unannounced.popitem(last=False)

    def _announce(self, session_id: str, found: StoredProfile) -> None:
        """Announce a profile that came after a lesser answer had gone out."""
        shown_ms = self._unannounced.get(session_id)
        if shown_ms is not None and shown_ms < found.updated_at_ms and self._publish is not None:
            del self._unannounced[session_id]
            self.count("late_profiles", 1)
            self._publish(Notice(session_id, found.version, found.updated_at_ms))


def _knows(found: Settled, request: ProfileRequest) -> bool:
    """Say whether a profile is as new as the request asks for."""
    if not isinstance(found, StoredProfile):
        return False
    return (request.min_version is None or found.version >= request.min_version) and (
        request.since_ms is None or found.event_time_ms >= request.since_ms
    )
