"""Consent at the door, on a real Redis: nobody's events pass without it, and nothing passes while nobody knows."""

import asyncio
from collections.abc import Iterator
from itertools import permutations

import pytest
from redis.asyncio import Redis

from jobs.settings import settings_from
from serving.collection.admission import Admitted
from serving.collection.consent import ConsentDoor, Passed
from serving.collection.producer import UnavailableError
from tests.redis_server import RedisServer, redis_server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as found:
        found.start()
        yield found


def event(session: str, at: int) -> Admitted:
    return Admitted(session, at, False, False, b"")


def word(session: str, at: int, grants: bool) -> Admitted:
    return Admitted(session, at, True, grants, b"")


def pass_on(server: RedisServer, *batches: list[Admitted], default: str = "denied") -> list[Passed]:
    """Each batch through a door of its own, as if each came to another worker."""

    async def run() -> list[Passed]:
        settings = settings_from(
            {"consent": {"default": default}, "redis": {"url": server.url, "socket_timeout": "300 ms"}}
        )
        found = []
        for batch in batches:
            async with Redis.from_url(server.url, socket_timeout=0.3) as client:
                found.append(await ConsentDoor(settings, client).pass_on(batch))
        return found

    return asyncio.run(run())


def test_granted_by_default_needs_no_redis(server: RedisServer) -> None:
    server.kill()
    assert pass_on(server, [event("a", 5)], default="granted") == [Passed([event("a", 5)], 0)]


def test_denied_by_default_withholds_all_but_words(server: RedisServer) -> None:
    words = [word("a", 6, False), word("b", 7, False)]
    assert pass_on(server, [event("a", 5), *words, event("c", 9)]) == [Passed(words, 2)]


def test_a_grant_counts_for_events_from_then_on_at_every_worker(server: RedisServer) -> None:
    grant = word("a", 10, True)
    found = pass_on(server, [event("a", 9), grant, event("a", 10)], [event("a", 9), event("a", 11), event("b", 11)])
    assert found == [Passed([grant, event("a", 10)], 1), Passed([event("a", 11)], 2)]


def test_a_withdrawal_counts_at_once_and_a_later_grant_again(server: RedisServer) -> None:
    found = pass_on(
        server,
        [word("a", 10, True)],
        [word("a", 20, False)],
        [event("a", 21)],
        [word("a", 30, True)],
        [event("a", 25), event("a", 31)],
    )
    assert [one.withheld for one in found] == [0, 0, 1, 0, 1]


@pytest.mark.parametrize("order", list(permutations([(10, True), (20, False), (30, True)])))
def test_the_order_of_arrival_does_not_matter(server: RedisServer, order: tuple[tuple[int, bool], ...]) -> None:
    words = [[word("a", at, grants)] for at, grants in order]
    last = pass_on(server, *words, [event("a", 15), event("a", 29), event("a", 30)])[-1]
    assert last == Passed([event("a", 30)], 2)


def test_at_equal_times_the_withdrawal_wins(server: RedisServer) -> None:
    for words in ([True, False], [False, True]):
        name = f"s-{words[0]}"
        found = pass_on(server, *[[word(name, 10, grants)] for grants in words], [event(name, 11)])
        assert found[-1].withheld == 1


def test_while_redis_is_away_nothing_passes(server: RedisServer) -> None:
    pass_on(server, [word("a", 10, True)])
    server.stall()
    with pytest.raises(UnavailableError):
        pass_on(server, [event("a", 11)])
    with pytest.raises(UnavailableError):
        pass_on(server, [word("a", 12, False)])
    server.wake()


def test_what_is_remembered_ends_with_the_session(server: RedisServer) -> None:
    pass_on(server, [word("a", 10, True)], [event("a", 11)])

    async def life_ms() -> int:
        async with Redis.from_url(server.url) as client:
            return int(await client.pttl("heliotrope:consent:a"))

    assert 0 < asyncio.run(life_ms()) <= 48 * 3_600_000


def test_what_another_program_wrote_grants_nothing(server: RedisServer) -> None:
    async def spoil() -> None:
        async with Redis.from_url(server.url) as client:
            await client.set("heliotrope:consent:a", "yes")

    asyncio.run(spoil())
    assert pass_on(server, [event("a", 11)])[0].withheld == 1
