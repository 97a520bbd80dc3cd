"""What one client is to be sent next: the same for a stream and a socket."""

import time
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from serving.push.hub import Watch
from serving.push.position import NOWHERE, Position
from state.configuration import Streams

FIRST_READ_S = 1.0
"""How long the opening of a stream waits for the session's position. A Redis that is away must not keep clients from connecting."""


class End(StrEnum):
    """Reason why a stream ends."""

    IDLE = "idle"
    STOPPING = "stopping"
    EXPIRED = "expired"
    GONE = "gone"
    SLOW = "slow"
    MISUSED = "misused"


class Silence(NamedTuple):
    """Pause in which nothing was sent. `position` is the newest that the client has, None if Redis has not answered."""

    position: Position | None


Step = Position | Silence | End


class Feed:
    """Way of one client through its session's profiles.

    Attributes:
        newest_sent: the newest profile that was sent to the client, or that it had when it came.
    """

    def __init__(
        self,
        watch: Watch,
        seen: tuple[int, int] | None,
        streams: Streams,
        ends_at_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what the client has `seen` as (generation, version), and when its access ends by the clock."""
        self._watch = watch
        self._seen = seen
        self._keep_alive_s = streams.keep_alive_ms / 1_000
        self._idle_s = streams.idle_ms / 1_000
        self._ends_at_s = ends_at_s
        self._clock = clock
        self._sent_at_s = self._news_at_s = clock()
        self._end: End | None = None
        self.newest_sent: Position | None = None

    async def open(self) -> None:
        """Learn where the session stands, before the client learns that its stream is open.

        A client that has seen nothing gets what is written from then on. If Redis does not say, it gets all there is: one
        notification too many does no harm.
        """
        await self._watch.next(FIRST_READ_S)
        if self._seen is None:
            self._seen = (self._watch.position or NOWHERE)[:2]
            self.newest_sent = self._watch.position

    async def next(self) -> Step:
        """Wait for what is to be sent next."""
        while True:
            step = self._due()
            if step is not None:
                return step
            await self._watch.next(self._next_at_s() - self._clock())

    def end(self, reason: End) -> None:
        """Let the next step be the end."""
        self._end = self._end or reason
        self._watch.wake()

    def _due(self) -> Step | None:
        now_s = self._clock()
        if self._end is not None:
            return self._end
        if self._watch.is_over:
            return End.STOPPING
        if self._has_news():
            self._news_at_s = self._sent_at_s = now_s
            return self.newest_sent
        if self._ends_at_s is not None and now_s >= self._ends_at_s:
            return End.EXPIRED
        if now_s - self._news_at_s >= self._idle_s:
            return End.IDLE
        if now_s - self._sent_at_s >= self._keep_alive_s:
            self._sent_at_s = now_s
            return Silence(self.newest_sent)
        return None

    def _has_news(self) -> bool:
        """Move on to where the session stands; say if the client does not know it."""
        position, before = self._watch.position, self.newest_sent
        if position is None or position == before:
            return False
        self.newest_sent = position
        if before is None:  # the first: the client may have it from elsewhere
            return self._seen is None or position.is_after(self._seen)
        return True

    def _next_at_s(self) -> float:
        at_s = min(self._sent_at_s + self._keep_alive_s, self._news_at_s + self._idle_s)
        return at_s if self._ends_at_s is None else min(at_s, self._ends_at_s)
