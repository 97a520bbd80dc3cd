"""`GET /v1/stream/{session_id}`: notifications as server-sent events.

A plain ASGI application: a stream lives long, so each layer around it costs memory ten thousand times.
"""

import asyncio
import random
from collections.abc import Awaitable

from starlette.types import Receive, Scope, Send

from serving.push import messages, metrics
from serving.push.admission import Admission, Visit
from serving.push.feed import End, Feed, Silence
from serving.push.position import Position
from state.configuration import Streams

HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class EventStream:
    """Endpoint of `GET /v1/stream`."""

    def __init__(self, admission: Admission, streams: Streams) -> None:
        self._admission = admission
        self._send_s = streams.send_timeout_ms / 1_000
        self._retry_ms = streams.retry_ms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until it ends.

        Raises:
            Refusal: before anything was sent.
        """
        visit = self._admission.examine(scope)
        start = {"type": "http.response.start", "status": 200, "headers": list(HEADERS)}
        if scope["method"] == "HEAD":
            await send(start)
            await send({"type": "http.response.body", "body": b""})
            return
        with self._admission.admit(visit, "stream") as feed:
            await feed.open()
            await send(start)
            leaving = asyncio.create_task(_leave(receive, feed))
            try:
                metrics.ENDED.labels(await self._run(visit, feed, send)).inc()
            finally:
                leaving.cancel()

    async def _run(self, visit: Visit, feed: Feed, send: Send) -> End:
        body = messages.retry(spread_ms(self._retry_ms))
        committed: Position | None = None  # what the client says when it comes again
        while True:
            if not await self._sent(send({"type": "http.response.body", "body": body, "more_body": True})):
                return End.SLOW
            step = await feed.next()
            if isinstance(step, Position):
                body, committed = messages.event(visit.session_id, step), step
                metrics.observe_sent(step)
            elif isinstance(step, Silence):
                body = messages.KEEP_ALIVE + _reached(step.position, committed)
                committed = step.position
            elif step is End.GONE:
                return step
            else:
                last = {"type": "http.response.body", "body": _reached(feed.newest_sent, committed), "more_body": False}
                return step if await self._sent(send(last)) else End.SLOW

    async def _sent(self, sending: Awaitable[None]) -> bool:
        """Say if the client took it. The server takes one message more than the client's buffers hold, then it waits."""
        try:
            async with asyncio.timeout(self._send_s):
                await sending
        except TimeoutError:
            return False
        return True


async def _leave(receive: Receive, feed: Feed) -> None:
    """End the feed once the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
    feed.end(End.GONE)


def _reached(position: Position | None, committed: Position | None) -> bytes:
    return b"" if position is None or position == committed else messages.reached(position)


def spread_ms(after_ms: int) -> int:
    """Return a time spread by half of it, so that a worker's clients do not come back all at once."""
    return round(after_ms * random.uniform(0.5, 1.5))  # noqa: S311
