"""The hub on a real server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
import redis.asyncio

from serving.push.hub import Hub, Watch
from serving.push.position import NOWHERE, Position
from tests.redis_server import RedisServer, redis_server
from tests.serving.push.published import PREFIX, announce, publish

PATIENCE_S = 30.0


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def hub_on(server: RedisServer, ping_after_s: float = 5.0) -> AsyncIterator[Hub]:
    client = redis.asyncio.Redis.from_url(server.url)
    hub = Hub(client, PREFIX, ping_after_s)
    hub.start()
    try:
        yield hub
    finally:
        await hub.aclose()
        await client.aclose()


async def until(watch: Watch, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await watch.next(PATIENCE_S)


async def subscribed(hub: Hub) -> None:
    """Waits for the subscription by being woken: a watch is when it comes."""
    with hub.watch("nobody") as watch:
        await until(watch, lambda: hub.is_subscribed)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_a_notification_wakes_the_sessions_watch_only(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with hub_on(server) as hub:
            await subscribed(hub)
            with hub.watch("mine") as mine, hub.watch("other") as other:
                announce(client, "mine", 1)
                assert await mine.next(PATIENCE_S)
                assert not await other.next(0)

    run(test())


def test_a_write_between_looks_is_not_missed(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with hub_on(server) as hub:
            await subscribed(hub)
            with hub.watch("mine") as mine, hub.watch("last") as last:
                announce(client, "mine", 1)
                announce(client, "mine", 2)
                announce(client, "last", 1)
                assert await last.next(PATIENCE_S)  # so the two before it have come
                assert await mine.next(0)
                assert not await mine.next(0), "several updates wake once"

    run(test())


def test_a_follower_knows_the_profile_that_stands_there(server: RedisServer) -> None:
    client = server.start()
    publish(client, "mine", version=7)

    async def test() -> None:
        async with hub_on(server) as hub:
            with hub.follow("mine") as mine, hub.follow("nobody") as nobody:
                await until(mine, lambda: mine.position == Position(1_000, 7, 5_007))
                await until(nobody, lambda: nobody.position == NOWHERE)

    run(test())


def test_a_follower_sees_the_newest_of_many_updates(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with hub_on(server) as hub:
            await subscribed(hub)
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
        async with hub_on(server) as hub:
            await subscribed(hub)
            with hub.follow("mine") as mine, hub.watch("mine") as watch:
                await until(mine, lambda: mine.position == Position(1_000, 1, 5_001))
                server.kill()
                client = server.start()
                publish(client, "mine", version=2)
                await until(mine, lambda: mine.position == Position(1_000, 2, 5_002))
                assert await watch.next(PATIENCE_S), "waiting reads look again after a loss"

    run(test())


def test_a_redis_that_comes_later_is_found(server: RedisServer) -> None:
    async def test() -> None:
        async with hub_on(server) as hub:
            with hub.follow("mine") as mine:
                assert not hub.is_subscribed
                publish(server.start(), "mine", version=3)
                await until(mine, lambda: mine.position == Position(1_000, 3, 5_003))

    run(test())


def test_a_server_that_hangs_is_given_up_and_found_again(server: RedisServer) -> None:
    client = server.start()

    async def test() -> None:
        async with hub_on(server, ping_after_s=0.2) as hub:
            await subscribed(hub)
            server.stall()
            async with asyncio.timeout(PATIENCE_S):
                while hub.is_subscribed:
                    await asyncio.sleep(0.01)  # a loss has no event to await
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
        async with hub_on(server) as hub:
            await subscribed(hub)
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
        async with hub_on(server) as hub:
            with hub.follow("mine") as mine:
                waiting = asyncio.create_task(mine.next(PATIENCE_S))
                hub.close()
                assert await waiting
                assert mine.is_over
            with hub.watch("late") as late:
                assert late.is_over
                assert await late.next(PATIENCE_S)

    run(test())


def test_nothing_is_held_of_clients_that_left(server: RedisServer) -> None:
    async def test() -> None:
        async with hub_on(server) as hub:  # no Redis: positions wait to be read
            for number in range(100):
                with hub.follow(f"session-{number}"):
                    await asyncio.sleep(0)
            assert not hub._watches
            assert not hub._unread

    run(test())
