"""`GET /v1/ws/{session_id}`: the same notifications over a WebSocket.

Nothing is expected of the client. What it sends is read, so that its close and its pings are seen, and dropped.
"""

import asyncio
from typing import Any

from starlette.types import Receive, Scope, Send

from serving.problems import MEDIA_TYPE, ProblemResponse, Refusal
from serving.push import messages, metrics
from serving.push.admission import Admission, Visit
from serving.push.feed import End, Feed, Silence
from serving.push.position import Position
from state.configuration import Streams

KEEP_ALIVE = '{"type":"keep-alive"}'
LONGEST_MESSAGE = 1_024
MOST_MESSAGES = 256
"""That a client may send on one socket: pings are no messages, so it has no need of any."""
CODES = {End.IDLE: 1000, End.STOPPING: 1012, End.SLOW: 1013, End.EXPIRED: 4401, End.MISUSED: 1008}
CLOSE_S = 1.0


class Socket:
    """Endpoint of `GET /v1/ws`."""

    def __init__(self, admission: Admission, streams: Streams) -> None:
        self._admission = admission
        self._send_s = streams.send_timeout_ms / 1_000

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it ends."""
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            if not self._admission.admits_origin(scope):
                raise Refusal(403, "pages of this origin may not open a WebSocket: see serving.origins")
            visit = self._admission.examine(scope)
            with self._admission.admit(visit, "socket") as feed:
                await feed.open()
                await self._serve(visit, feed, receive, send)
        except Refusal as refusal:
            await _refuse(refusal, scope, send)

    async def _serve(self, visit: Visit, feed: Feed, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        reading = asyncio.create_task(_read(receive, feed))
        try:
            end = await self._run(visit, feed, send)
            metrics.ENDED.labels(end).inc()
            if end is not End.GONE:
                await _within(CLOSE_S, send, {"type": "websocket.close", "code": CODES[end], "reason": str(end)})
        finally:
            reading.cancel()

    async def _run(self, visit: Visit, feed: Feed, send: Send) -> End:
        while True:
            step = await feed.next()
            if isinstance(step, End):
                return step
            text = KEEP_ALIVE if isinstance(step, Silence) else messages.notification(visit.session_id, step).decode()
            if not await _within(self._send_s, send, {"type": "websocket.send", "text": text}):
                return End.SLOW
            if isinstance(step, Position):
                metrics.observe_sent(step)


async def _within(seconds: float, send: Send, message: dict[str, Any]) -> bool:
    """Say if the client took the message in time."""
    try:
        async with asyncio.timeout(seconds):
            await send(message)
    except TimeoutError:
        return False
    return True


async def _read(receive: Receive, feed: Feed) -> None:
    """Read until the client closes, or sends more than one that only listens would."""
    for _ in range(MOST_MESSAGES):
        message = await receive()
        if message["type"] == "websocket.disconnect":
            feed.end(End.GONE)
            return
        if len(message.get("text") or message.get("bytes") or "") > LONGEST_MESSAGE:
            break
    feed.end(End.MISUSED)


async def _refuse(refusal: Refusal, scope: Scope, send: Send) -> None:
    """Answer the handshake with the problem, if the server can; or else with 403."""
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail[:120]})
        return
    problem = ProblemResponse(refusal.status_code, refusal.detail, reason=refusal.reason, field=refusal.field)
    headers = [
        (name.encode(), value.encode())
        for name, value in {**(refusal.headers or {}), "content-type": MEDIA_TYPE, "cache-control": "no-store"}.items()
    ]
    await send({"type": "websocket.http.response.start", "status": refusal.status_code, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": problem.body})
