"""The same notifications over a WebSocket, from a real server."""

import asyncio
import json
import time
import uuid
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from serving.tokens import SessionTokens
from tests.serving.live_server import LiveServer, live_server
from tests.serving.push.published import publish

PATIENCE_S = 30.0
LATER_MS = 4_000_000_000_000


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


@pytest.fixture
def session_id() -> str:
    return str(uuid.uuid4())


def socket(live: LiveServer, path: str, **options: Any) -> connect:
    return connect(f"ws://{live.host}:{live.port}/v1/ws/{path}", **options)


async def refusal(live: LiveServer, path: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """The problem that a handshake is answered by."""
    with pytest.raises(InvalidStatus) as caught:
        await socket(live, path, **options)
    response = caught.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)


async def message(opened: ClientConnection) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        return json.loads(await opened.recv())


async def close_code(opened: ClientConnection) -> int | None:
    """Read to the end; the code that the server closes with."""
    async with asyncio.timeout(PATIENCE_S):
        while opened.close_code is None:
            with suppress(ConnectionClosed):
                await opened.recv()
    return opened.close_code


def expected(session_id: str, version: int) -> dict[str, Any]:
    return {"type": "profile-updated", "session_id": session_id, "version": version, "updated_at": 5_000 + version}


def test_an_update_is_the_streams_message(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    publish(shop, session_id, version=1)

    async def test() -> None:
        async with socket(live, session_id) as opened:
            publish(shop, session_id, version=2)
            assert await message(opened) == expected(session_id, 2)
            await (await opened.ping())
            publish(shop, session_id, version=3)
            assert await message(opened) == expected(session_id, 3)

    run(test())


def test_what_was_missed_comes_at_once(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    publish(shop, session_id, version=7)

    async def test() -> None:
        async with socket(live, f"{session_id}?last_event_id=1000-6") as opened:
            assert await message(opened) == expected(session_id, 7)

    run(test())


def test_what_a_client_says_is_dropped(live: LiveServer, shop: redis.Redis, session_id: str) -> None:
    async def test() -> None:
        async with socket(live, session_id) as opened:
            for said in ("", "{", '{"type":"subscribe","session_id":"another"}', b"\x00\xff", "x" * 1_024):
                await opened.send(said)
            publish(shop, session_id, version=1)
            assert await message(opened) == expected(session_id, 1)

    run(test())


@pytest.mark.parametrize("said", [["x" * 1_025], [b"x" * 3_000_000], ["x"] * 300], ids=["long", "huge", "many"])
def test_a_client_that_says_too_much_is_closed(live: LiveServer, session_id: str, said: list[str | bytes]) -> None:
    async def test() -> None:
        async with socket(live, session_id) as opened:
            for text in said:
                try:
                    await opened.send(text)
                except ConnectionClosed:
                    break
            assert await close_code(opened) == 1008

    run(test())


def test_only_pages_of_named_origins_open_one(live: LiveServer, session_id: str) -> None:
    """A browser sends cookies and addresses of its network with a WebSocket from any page."""

    async def test() -> None:
        async with socket(live, session_id, origin="https://shop.example"):
            pass
        for origin in ("https://evil.example", "null", "https://shop.example.evil.example", ""):
            status, _ = await refusal(live, session_id, additional_headers={"origin": origin})
            assert status == 403

    run(test())


def test_a_page_of_the_server_itself_opens_one(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        async with socket(live, session_id, origin=live.address):
            pass

    run(test())


def test_bad_requests_are_answered_before_the_upgrade(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        for path, field in ((f"{session_id}?last_event_id=x", "last_event_id"), ("x" * 129, "session_id")):
            status, problem = await refusal(live, path)
            assert (status, problem["field"]) == (400, field)

    run(test())


def test_streams_and_sockets_share_a_sessions_bound(live: LiveServer, session_id: str) -> None:
    async def test() -> None:
        async with AsyncExitStack() as stack:
            for _ in range(3):
                await stack.enter_async_context(socket(live, session_id))
            status, problem = await refusal(live, session_id)
            assert (status, problem["status"]) == (429, 429)

    run(test())


def test_a_worker_has_so_many_sockets_and_no_more(live: LiveServer, session_id: str) -> None:
    """Each takes six times the memory of a stream."""

    async def test() -> None:
        async with AsyncExitStack() as stack:
            for number in range(5):
                await until_open(live, f"{session_id}-{number}", stack)
            status, problem = await refusal(live, session_id)
            assert (status, problem["status"]) == (503, 503)

    run(test())


async def until_open(live: LiveServer, session_id: str, stack: AsyncExitStack) -> None:
    """Open a socket as soon as there is room: those of other tests may not have ended yet."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            with suppress(InvalidStatus):
                await stack.enter_async_context(socket(live, session_id))
                return
            await asyncio.sleep(0.02)


def test_silence_is_filled_and_ends(impatient: LiveServer, session_id: str) -> None:
    async def test() -> None:
        async with socket(impatient, session_id) as opened:
            assert await message(opened) == {"type": "keep-alive"}
            assert await close_code(opened) == 1000

    run(test())


def test_a_token_opens_its_session_only(tmp_path: Path, redis_url: str) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("n" * 32 + "\n" + "o" * 32 + "\n")
    old, strange = SessionTokens([b"o" * 32]), SessionTokens([b"s" * 32])
    serving = {"session_tokens": True, "session_tokens_file": str(secrets)}
    with live_server(tmp_path, redis={"url": redis_url}, serving=serving) as live:

        async def test() -> None:
            token = old.mint("mine", LATER_MS)
            async with socket(live, f"mine?token={token}"):
                pass
            async with socket(live, "mine", additional_headers={"authorization": f"Bearer {token}"}):
                pass
            soon_ms = time.time_ns() // 1_000_000 + 1_000
            async with socket(live, f"mine?token={old.mint('mine', soon_ms)}") as short:
                assert await close_code(short) == 4401
            wrong = (token, "", strange.mint("other", LATER_MS), old.mint("other", 1), "%00")
            answers = [await refusal(live, f"other?token={text}") for text in wrong]
            assert {status for status, _ in answers} == {401}

        run(test())
