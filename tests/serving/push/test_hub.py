"""The hub on a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
import redis
import redis.asyncio

from serving.push.hub import Hub, Watch
from serving.push.position import NOWHERE, Position
from serving.reader.notices import Notice, NoticeBoard
from tests.redis_server import RedisServer, redis_server
from tests.serving.push.published import PREFIX, announce, publish

PATIENCE_S = 30.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


class Worker(NamedTuple):
    hub: Hub
    board: NoticeBoard


@asynccontextmanager
async def worker_on(server: RedisServer, ping_after_s: float = 5.0) -> AsyncIterator[Worker]:
    client = redis.asyncio.Redis.from_url(server.url)
    board = NoticeBoard()
    hub = Hub(client, PREFIX, board, ping_after_s)
    hub.start()
    try:
        yield Worker(hub, board)
    finally:
        await hub.aclose()
        await client.aclose()


async def until(watch: Watch, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await watch.next(PATIENCE_S)


async def live(board: NoticeBoard, wanted: bool = True) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while board.is_live != wanted:
            await asyncio.sleep(0.01)  # it has no event to await


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_notifications_reach_the_board(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with worker_on(server) as (_, board):
            await live(board)
            heard: asyncio.Queue[Notice] = asyncio.Queue()
            board.listen("mine", heard.put_nowait)
            announce(client, "other", 1)
            announce(client, "mine", 17, updated_at_ms=1_763_770_000_123)
            async with asyncio.timeout(PATIENCE_S):
                assert await heard.get() == Notice("mine", 17, 1_763_770_000_123)

    run(test())


def test_a_follower_knows_the_profile_that_stands_there(server: RedisServer) -> None:
    client = server.start()
    publish(client, "mine", version=7)

    async def test() -> None:
        async with worker_on(server) as (hub, _):
            with hub.follow("mine") as mine, hub.follow("nobody") as nobody:
                await until(mine, lambda: mine.position == Position(1_000, 7, 5_007))
                await until(nobody, lambda: nobody.position == NOWHERE)

    run(test())


def test_a_follower_sees_the_newest_of_many_updates(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with worker_on(server) as (hub, board):
            await live(board)
            with hub.follow("mine") as mine:
                for version in range(1, 101):
                    publish(client, "mine", version)
                await until(mine, lambda: mine.position == Position(1_000, 100, 5_100))
                announce(client, "mine", 50)  # an old notification changes nothing
                publish(client, "mine", 1, generation=2_000)
                await until(mine, lambda: mine.position == Position(2_000, 1, 5_001))

    run(test())


def test_what_is_written_while_redis_was_away_is_found(server: RedisServer) -> None:
    client = server.start()
    publish(client, "mine", version=1)

    async def test() -> None:
        async with worker_on(server) as (hub, board):
            await live(board)
            with hub.follow("mine") as mine:
                await until(mine, lambda: mine.position == Position(1_000, 1, 5_001))
                server.kill()
                client = server.start()
                publish(client, "mine", version=2)
                await until(mine, lambda: mine.position == Position(1_000, 2, 5_002))
                await live(board)

    run(test())


def test_a_redis_that_comes_later_is_found(server: RedisServer) -> None:
    async def test() -> None:
        async with worker_on(server) as (hub, board):
            with hub.follow("mine") as mine:
                assert not board.is_live
                publish(server.start(), "mine", version=3)
                await until(mine, lambda: mine.position == Position(1_000, 3, 5_003))

    run(test())


def test_a_server_that_hangs_is_given_up_and_found_again(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with worker_on(server, ping_after_s=0.2) as (hub, board):
            await live(board)
            server.stall()
            await live(board, False)
            server.wake()
            with hub.follow("mine") as mine:
                publish(client, "mine", version=4)
                await until(mine, lambda: mine.position == Position(1_000, 4, 5_004))

    run(test())


def test_foreign_messages_and_values_stop_nothing(server: RedisServer) -> None:
    client = server.start()
    client.set(f"{PREFIX}:profile:text", "another program's")
    client.lpush(f"{PREFIX}:profile:list", "another program's")

    async def test() -> None:
        async with worker_on(server) as (hub, board):
            await live(board)
            with hub.follow("text") as text, hub.follow("list") as other, hub.follow("mine") as mine:
                for payload in (b"", b"no JSON", b"[]", b'{"session_id":7}', b"\xff\xfe"):
                    client.publish(f"{PREFIX}:profile-updated", payload)
                publish(client, "mine", version=1)
                await until(mine, lambda: mine.position == Position(1_000, 1, 5_001))
                await until(text, lambda: text.position == NOWHERE)
                await until(other, lambda: other.position == NOWHERE)

    run(test())


def test_closing_ends_every_wait_and_every_later_one(server: RedisServer) -> None:
    server.start()

    async def test() -> None:
        async with worker_on(server) as (hub, _):
            with hub.follow("mine") as mine:
                waiting = asyncio.create_task(mine.next(PATIENCE_S))
                hub.close()
                assert await waiting
                assert mine.is_over
            with hub.follow("late") as late:
                assert late.is_over
                assert await late.next(PATIENCE_S)

    run(test())


def test_nothing_is_held_of_clients_that_left(server: RedisServer) -> None:
    async def test() -> None:
        async with worker_on(server) as (hub, _):  # no Redis: positions wait to be read
            for number in range(100):
                with hub.follow(f"session-{number}"):
                    await asyncio.sleep(0)
            assert not hub._watches
            assert not hub._unread

    run(test())
