"""The worker's one subscription to profile updates, fanned out.

    with hub.follow(session_id) as watch:
        while await watch.next(timeout_s):
            send(watch.position)

A watch knows its session's position in Redis and is woken when that moves on, once however often it did meanwhile. Whoever needs
the notifications themselves listens on the worker's board, see `serving/reader/notices.py`.

While the subscription is lost nothing comes. Once it is back the positions of all followed sessions are read anew, so what was
written meanwhile is found.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from types import TracebackType

import msgspec
import redis.asyncio
import structlog

from serving.cluster_redis import ClusterRedis
from serving.push import metrics
from serving.push.cluster_positions import ClusterPositionReader
from serving.push.position import Position
from serving.push.positions import PositionReader
from serving.push.subscription import PING_AFTER_S, Subscription
from serving.reader.notices import Notice, NoticeBoard

logger = structlog.get_logger()

FIRST_BACKOFF_S, LONGEST_BACKOFF_S = 0.05, 2.0
POSITIONS_PER_READ = 256
"""Positions asked for at once. Those that come meanwhile are read next, each session once."""
REREAD_S = 10.0
"""In a cluster all followed sessions are looked after so often: between two nodes whose link is down a notification is lost, and
the subscription notices nothing."""
Pause = Callable[[float], Awaitable[None]]


class Notification(msgspec.Struct, frozen=True, gc=False):
    """Message that the job publishes after each write of a profile."""

    session_id: str
    version: int
    updated_at: int


_DECODER = msgspec.json.Decoder(Notification)


class Watch:
    """Follower of a session. However many updates come while it does not look, it is woken once and sees the newest.

    Attributes:
        position: of the newest profile that is known; None until it was read, `NOWHERE` if there is none.
        is_over: set once the hub closes: whoever waits should end.
    """

    __slots__ = ("_hub", "_is_due", "_session_id", "_waiting", "is_over", "position")

    def __init__(self, hub: "Hub", session_id: str) -> None:
        self._hub = hub
        self._session_id = session_id
        self._is_due = False
        self._waiting: asyncio.Future[None] | None = None
        self.position: Position | None = None
        self.is_over = False

    def __enter__(self) -> "Watch":
        self._hub._add(self._session_id, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub._remove(self._session_id, self)

    async def next(self, timeout_s: float) -> bool:
        """Wait until there may be something new, or all is over; False if the time passed first."""
        if not self._is_due and not self.is_over and timeout_s > 0:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(timeout_s, _finish, self._waiting)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        was_due, self._is_due = self._is_due, False
        return was_due or self.is_over

    def wake(self) -> None:
        """End the wait of `next`, or the next one if nobody waits now."""
        self._is_due = True
        if self._waiting is not None:
            _finish(self._waiting)


def _finish(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


class Hub:
    """Fan-out of one subscription. All methods belong to the worker's event loop.

    Attributes:
        is_closed: watches are over from their beginning.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis | ClusterRedis,
        prefix: str,
        board: NoticeBoard,
        ping_after_s: float = PING_AFTER_S,
        pause: Pause = asyncio.sleep,
        reread_s: float = REREAD_S,
    ) -> None:
        self._client = client
        self._board = board
        self._channel = f"{prefix}:profile-updated"
        self._positions = (
            ClusterPositionReader(client, prefix, ping_after_s)
            if isinstance(client, ClusterRedis)
            else PositionReader(client, prefix, ping_after_s)
        )
        self._ping_after_s = ping_after_s
        self._pause = pause
        self._reread_s = reread_s if isinstance(client, ClusterRedis) else 0.0
        self._watches: dict[str, list[Watch]] = {}
        self._unread: dict[str, None] = {}  # a set in order: sessions whose position must be read
        self._has_unread = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.is_closed = False

    def follow(self, session_id: str) -> Watch:
        """Make a watch of the session; it begins with its `with` block."""
        return Watch(self, session_id)

    def count(self, session_id: str) -> int:
        """Count who follows the session."""
        return len(self._watches.get(session_id, ()))

    def start(self) -> None:
        """Begin to listen, in the running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._listen()), loop.create_task(self._read_positions())]
        if self._reread_s:
            self._tasks.append(loop.create_task(self._reread()))

    def close(self) -> None:
        """End all watches, so that their clients go to another worker."""
        self.is_closed = True
        for watches in self._watches.values():
            for watch in watches:
                watch.is_over = True
                watch.wake()

    async def aclose(self) -> None:
        """Close, and end the connections."""
        self.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._positions.close()

    def _add(self, session_id: str, watch: Watch) -> None:
        watch.is_over = self.is_closed
        self._watches.setdefault(session_id, []).append(watch)
        self._must_read((session_id,))

    def _remove(self, session_id: str, watch: Watch) -> None:
        watches = self._watches[session_id]
        watches.remove(watch)
        if not watches:
            del self._watches[session_id]
            self._unread.pop(session_id, None)

    async def _listen(self) -> None:
        failures = 0
        while True:
            subscription = Subscription(self._client, self._channel, self._ping_after_s)
            try:
                await subscription.open()
                failures = 0
                self._begin()
                while True:
                    self._notify(await subscription.read())
            except Exception as error:  # of whatever kind: without this task no notification ever comes
                self._lose(error, failures)
            finally:
                self._board.is_live = False
                await subscription.close()
            await self._pause(backoff_s(failures))
            failures += 1

    def _begin(self) -> None:
        """Look after everybody: what was published before now was not received."""
        self._board.is_live = True
        metrics.SUBSCRIBED.set(1)
        self._must_read(self._watches)

    def _lose(self, error: Exception, failures: int) -> None:
        metrics.SUBSCRIBED.set(0)
        metrics.LOST.inc()
        if not failures:  # once, not for each attempt
            logger.warning("the subscription to profile updates is lost", watched=len(self._watches), error=str(error))

    def _notify(self, payloads: list[bytes]) -> None:
        metrics.NOTIFICATIONS.inc(len(payloads))
        for payload in payloads:
            try:
                notification = _DECODER.decode(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError):  # another program's, on our channel
                metrics.FOREIGN.inc()
                continue
            session_id = notification.session_id
            self._board.publish(Notice(session_id, notification.version, notification.updated_at))
            if session_id in self._watches:
                self._must_read((session_id,))

    def _must_read(self, session_ids: Iterable[str]) -> None:
        self._unread.update(dict.fromkeys(session_ids))
        if self._unread:
            self._has_unread.set()

    async def _reread(self) -> None:
        while True:
            await self._pause(self._reread_s)
            self._must_read(self._watches)

    async def _read_positions(self) -> None:
        failures = 0
        while True:
            await self._has_unread.wait()
            batch = list(islice(self._unread, POSITIONS_PER_READ))
            for session_id in batch:
                del self._unread[session_id]
            try:
                unknown = self._move(batch, await self._positions.read(batch))
                failures = 0 if not unknown else failures + 1
                if unknown:  # a node of a cluster is away: others do not wait for it
                    self._read_later(unknown, backoff_s(failures))
            except Exception:
                metrics.POSITIONS_FAILED.inc()
                self._must_read(filter(self._watches.__contains__, batch))
                await self._pause(backoff_s(failures))
                failures += 1
            if not self._unread:
                self._has_unread.clear()

    def _move(self, session_ids: list[str], positions: Sequence[Position | None]) -> list[str]:
        """Wake those whose position moved on; return the sessions of which it is not known."""
        unknown = []
        for session_id, position in zip(session_ids, positions, strict=True):
            if position is None:
                unknown.append(session_id)
                continue
            for watch in self._watches.get(session_id, ()):
                if watch.position is None or position > watch.position:
                    watch.position = position
                    watch.wake()
        return unknown

    def _read_later(self, session_ids: list[str], after_s: float) -> None:
        metrics.POSITIONS_FAILED.inc()

        def read() -> None:
            self._must_read(filter(self._watches.__contains__, session_ids))

        asyncio.get_running_loop().call_later(after_s, read)


def backoff_s(failures: int) -> float:
    """Return a pause that doubles with each failure, spread so that workers do not come back all at once."""
    longest_s: float = min(FIRST_BACKOFF_S * 2 ** min(failures, 16), LONGEST_BACKOFF_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311
