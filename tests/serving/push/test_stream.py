"""Server-sent events from a real server."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from websockets.asyncio.client import connect

from tests.redis_server import redis_server
from tests.serving.live_server import LiveServer, live_server
from tests.serving.push.event_source import PATIENCE_S, Event, EventSource, open_stream
from tests.serving.push.published import publish


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@pytest.fixture
def session_id() -> str:
    return str(uuid.uuid4())


@asynccontextmanager
async def stream(live: LiveServer, path: str, **headers: str) -> AsyncIterator[EventSource]:
    async with open_stream(live.host, live.port, f"/v1/stream/{path}", **headers) as source:
        yield source


async def refusal(live: LiveServer, path: str, **headers: str) -> dict[str, Any]:
    """The problem that a request is answered by."""
    async with stream(live, path, **headers) as source:
        assert source.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(await source.body())
        assert problem["status"] == source.status
        return {**problem, "retry-after": source.headers.get("retry-after")}


async def event(source: EventSource) -> Event:
    found = await source.event()
    assert found is not None, "the stream ended"
    return found


def expected(session_id: str, version: int, generation: int = 1_000) -> Event:
    data = {"type": "profile-updated", "session_id": session_id, "version": version, "updated_at": 5_000 + version}
    return Event("profile-updated", f"{generation}-{version}", json.dumps(data, separators=(",", ":")))


def test_an_update_is_announced_as_the_contract_says(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    async def test() -> None:
        async with stream(live, session_id) as source:
            assert source.status == 200
            assert source.headers["content-type"] == "text/event-stream"
            assert source.headers["cache-control"] == "no-cache"
            assert source.headers["x-accel-buffering"] == "no"
            publish(shop, session_id, version=1)
            assert await event(source) == expected(session_id, 1)
            publish(shop, session_id, version=2)
            assert await event(source) == expected(session_id, 2)
            publish(shop, session_id, version=1, generation=2_000)
            assert await event(source) == expected(session_id, 1, 2_000)
            assert source.retry_ms > 0

    run(test())


def test_what_stands_there_already_is_no_news(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    publish(shop, session_id, version=7)

    async def test() -> None:
        async with stream(live, session_id) as source:
            publish(shop, session_id, version=8)
            assert await event(source) == expected(session_id, 8)

    run(test())


@pytest.mark.parametrize("by", ["header", "query"])
def test_what_was_missed_comes_at_once(live: LiveServer, shop: redis.Redis, session_id: str, by: str) -> None:
    publish(shop, session_id, version=7)

    async def missed(seen: str) -> AsyncExitStack:
        stack = AsyncExitStack()
        headers = {"last_event_id": seen} if by == "header" else {}
        path = session_id if by == "header" else f"{session_id}?last_event_id={seen}"
        source = await stack.enter_async_context(stream(live, path, **headers))
        assert await event(source) == expected(session_id, 7)
        return stack

    async def test() -> None:
        for seen in ("1000-6", "999-900", "0-0"):
            async with await missed(seen):
                pass

    run(test())


@pytest.mark.parametrize("seen", ["1000-7", "1000-8", "2000-1"])
def test_what_was_seen_does_not_come_again(live: LiveServer, shop: redis.Redis, session_id: str, seen: str) -> None:
    publish(shop, session_id, version=7)

    async def test() -> None:
        async with stream(live, session_id, last_event_id=seen) as source:
            publish(shop, session_id, version=1, generation=3_000)
            assert await event(source) == expected(session_id, 1, 3_000)

    run(test())


def test_the_newer_of_header_and_query_counts(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    """A browser that opens the stream again has the query of its page and the header of what came since."""
    publish(shop, session_id, version=7)

    async def test() -> None:
        async with stream(live, f"{session_id}?last_event_id=1000-2", last_event_id="1000-7") as source:
            publish(shop, session_id, version=8)
            assert await event(source) == expected(session_id, 8)

    run(test())


@pytest.mark.parametrize("seen", ["x", "1-", "-1", "9" * 400 + "-1", "1-2-3", "\xff", "0x1-2", "1000-７"])
def test_a_header_that_cannot_be_read_counts_as_nothing_seen(
    live: LiveServer, shop: redis.Redis, session_id: str, seen: str
) -> None:
    publish(shop, session_id, version=7)

    async def test() -> None:
        async with stream(live, session_id, last_event_id=seen) as source:
            assert await event(source) == expected(session_id, 7)

    run(test())


def test_a_query_that_cannot_be_read_is_refused(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        for seen in ("x", "1-", "1-2-3", "%00", "%ff", "1000-%EF%BC%97"):
            problem = await refusal(live, f"{session_id}?last_event_id={seen}")
            assert (problem["status"], problem["field"]) == (400, "last_event_id")

    run(test())


@pytest.mark.parametrize("path", ["", "%00", "%1b%5b2J", "a%0d%0ab", "%ff", "x" * 129, "%C2%85"])
def test_what_is_no_session_id_is_refused(live: LiveServer, path: str) -> None:
    async def test() -> None:
        problem = await refusal(live, path)
        assert (problem["status"], problem["field"]) == (400, "session_id")

    run(test())


@pytest.mark.parametrize("unquoted", ["", "/"])
def test_any_session_id_of_an_event_has_a_stream(
    live: LiveServer, shop: redis.Redis, session_id: str, unquoted: str
) -> None:
    name = f"a/b cé {session_id}"

    async def test() -> None:
        async with stream(live, quote(name, safe=unquoted)) as source:
            publish(shop, name, version=1)
            data = json.loads((await event(source)).data)
            assert data["session_id"] == name

    run(test())


def test_many_updates_reach_a_slow_reader_as_few(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    """Whatever is dropped, the newest comes, and ids only rise."""

    async def test() -> None:
        async with stream(live, session_id) as source:
            for version in range(1, 301):
                publish(shop, session_id, version)
            versions = [0]
            while versions[-1] < 300:
                versions.append(json.loads((await event(source)).data)["version"])
            assert versions == sorted(set(versions))

    run(test())


def test_a_session_has_so_many_streams_and_no_more(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(stream(live, session_id))
            problem = await refusal(live, session_id)
            assert problem["status"] == 429
            assert int(problem["retry-after"]) > 0
        await until_open(live, session_id)

    run(test())


def test_a_worker_has_so_many_streams_and_no_more(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        async with AsyncExitStack() as stack:
            for number in range(40):
                await until_open(live, f"{session_id}-{number}", stack)
            problem = await refusal(live, session_id)
            assert problem["status"] == 503
            assert int(problem["retry-after"]) > 0
        await until_open(live, session_id)

    run(test())


async def until_open(live: LiveServer, session_id: str, stack: AsyncExitStack | None = None) -> None:
    """Open a stream as soon as there is room: a place becomes free when the server sees that its client has gone."""
    async with asyncio.timeout(30):
        while True:
            async with AsyncExitStack() as trial:
                source = await trial.enter_async_context(stream(live, session_id))
                if source.status == 200:
                    if stack is not None:
                        stack.push_async_exit(trial.pop_all())
                    return
            await asyncio.sleep(0.02)


def test_head_does_not_open_a_stream(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        reader, writer = await asyncio.open_connection(live.host, live.port)
        writer.write(f"HEAD /v1/stream/{session_id} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
        async with asyncio.timeout(30):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\n")
        writer.close()

    run(test())


def test_pages_of_named_origins_may_read(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        async with stream(live, session_id, origin="https://shop.example") as source:
            assert source.headers["access-control-allow-origin"] == "https://shop.example"
        async with stream(live, session_id, origin="https://evil.example") as source:
            assert "access-control-allow-origin" not in source.headers

    run(test())


def test_silence_is_filled_with_comments_and_ends(impatient: LiveServer, shop: redis.Redis, session_id: str) -> None:
    publish(shop, session_id, version=3)

    async def test() -> None:
        async with stream(impatient, session_id) as source:
            assert await source.event() is None
            assert source.comments >= 2
            assert source.last_event_id == "1000-3", "a browser must know where it stands when it comes again"

    run(test())


def test_redis_may_go_and_come_back(tmp_path: Path) -> None:
    with redis_server() as server:
        client = server.start()
        publish(client, "mine", version=1)
        with live_server(tmp_path, redis={"url": server.url, "socket_timeout": "500 ms"}) as live:

            async def test() -> None:
                async with stream(live, "mine") as before:
                    server.kill()
                    async with stream(live, "mine", last_event_id="1000-1") as while_away:
                        assert while_away.status == 200, "a Redis that is away keeps nobody out"
                        publish(server.start(), "mine", version=2)
                        assert await event(before) == expected("mine", 2)
                        assert await event(while_away) == expected("mine", 2)

            run(test())


def test_a_stop_ends_streams_and_sockets_in_good_order(tmp_path: Path, shop: redis.Redis, redis_url: str) -> None:
    with live_server(tmp_path, redis={"url": redis_url}) as live:
        publish(shop, "stopped", version=5)

        async def test() -> None:
            socket = connect(f"ws://{live.host}:{live.port}/v1/ws/stopped")
            async with stream(live, "stopped") as source, socket as opened:
                live.begin_stop()
                assert await source.event() is None, "the answer ends as a whole one does"
                assert source.last_event_id == "1000-5"
                async with asyncio.timeout(PATIENCE_S):
                    await opened.wait_closed()
                assert opened.close_code == 1012

        run(test())
        assert live.stop() == 0
        assert "Killing" not in live.log.read_text()


def test_a_worker_that_is_killed_takes_its_own_streams_only(tmp_path: Path, shop: redis.Redis, redis_url: str) -> None:
    """Each worker hears of all sessions; whoever comes again is told what was missed."""
    with live_server(tmp_path, redis={"url": redis_url}, serving={"workers": 2}) as live:
        live.wait_for_workers(2)

        async def test() -> None:
            async with AsyncExitStack() as stack:
                names = [f"spread-{number}" for number in range(32)]  # the kernel deals connections to both workers
                sources = {name: await stack.enter_async_context(stream(live, name)) for name in names}
                os.kill(live.workers()[0], signal.SIGKILL)
                for name in names:
                    publish(shop, name, version=1)
                found = {name: await event_or_break(source) for name, source in sources.items()}
                lost = [name for name in names if found[name] is None]
                assert 0 < len(lost) < len(names)
                assert all(found[name] == expected(name, 1) for name in names if name not in lost)
                for name in lost:
                    assert await first_event(live, name) == expected(name, 1)

        run(test())


async def first_event(live: LiveServer, name: str) -> Event | None:
    """What a visitor is told who comes again, as often as a connection falls to the worker that is gone."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                async with stream(live, name, last_event_id="0-0") as source:
                    return await event(source)
            await asyncio.sleep(0)


async def event_or_break(source: EventSource) -> Event | None:
    try:
        return await source.event()
    except (asyncio.IncompleteReadError, ConnectionResetError, ValueError):  # in the middle of a chunk, or of its size
        return None
