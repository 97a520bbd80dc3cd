"""Clients that take nothing. The kernel takes two megabytes for such a client, so its server is stood in for here."""

import asyncio
from typing import Any

import pytest
import redis.asyncio
from prometheus_client import REGISTRY
from starlette.types import Message

from serving.access import SessionAccess
from serving.push.admission import Admission
from serving.push.hub import Hub
from serving.push.socket import Socket
from serving.push.stream import EventStream
from serving.reader.notices import NoticeBoard
from state.configuration import Serving, Streams
from tests.redis_server import RedisServer
from tests.serving.push.published import PREFIX, publish

STREAMS = Streams(send_timeout_ms=100, max=1)
PATIENCE_S = 30.0
SCOPE: dict[str, Any] = {
    "method": "GET",
    "headers": [],
    "query_string": b"last_event_id=0-0",
    "extensions": {},
}


class Client:
    """One that takes `takes` messages, and then no more of its notifications."""

    def __init__(self, connect: str, takes: int) -> None:
        self._incoming: asyncio.Queue[Message] = asyncio.Queue()
        self._incoming.put_nowait({"type": connect, "body": b"", "more_body": False})
        self._takes = takes
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return await self._incoming.get()

    async def send(self, message: Message) -> None:
        if len(self.sent) >= self._takes and message["type"] != "websocket.close":
            await asyncio.Event().wait()
        self.sent.append(message)


def slow_ends() -> float:
    return REGISTRY.get_sample_value("heliotrope_push_streams_ended_total", {"reason": "slow"}) or 0.0


@pytest.mark.parametrize("kind", ["stream", "socket"])
def test_a_client_that_takes_nothing_is_cut_off_and_frees_its_place(redis_place: RedisServer, kind: str) -> None:
    with redis.Redis.from_url(redis_place.url) as shop:
        publish(shop, f"slow-{kind}", version=1)
    before = slow_ends()

    async def test() -> None:
        async with redis.asyncio.Redis.from_url(redis_place.url) as client:
            hub = Hub(client, PREFIX, NoticeBoard())
            hub.start()
            admission = Admission(hub, Serving(streams=STREAMS), SessionAccess(None))
            endpoint = EventStream(admission, STREAMS) if kind == "stream" else Socket(admission, STREAMS)
            slow = Client("http.request" if kind == "stream" else "websocket.connect", takes=1)
            async with asyncio.timeout(PATIENCE_S):
                await endpoint({**SCOPE, "raw_path": f"/v1/{kind}/slow-{kind}".encode()}, slow.receive, slow.send)
            assert hub.count(f"slow-{kind}") == 0
            if kind == "socket":
                assert slow.sent[-1] == {"type": "websocket.close", "code": 1013, "reason": "slow"}
            await hub.aclose()

    asyncio.run(test())
    assert slow_ends() == before + 1
