"""The asynchronous reader against a real server that is killed, stopped, slow, or full of foreign values."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from serving.reader import Answer, AsyncProfileReader, ReaderSettings, Reason, Source, batching
from serving.reader.breaker import BreakerState
from serving.reader.notices import Notice, NoticeBoard
from serving.reader.settings import BATCH_KEYS
from tests.serving.reader.servers import Shop, shop
from tests.serving.redis_data import NOW_MS
from tests.serving.slow_proxy import slow_proxy

PATIENT_MS = 60_000
"""A budget that a busy machine does not exceed, where an answer will come."""
SETTINGS = ReaderSettings(budget_ms=PATIENT_MS, slow_ms=30_000, give_up_ms=60_000, lag_ms=60_000)
QUICK = ReaderSettings(budget_ms=30, slow_ms=30, give_up_ms=60_000, first_rest_ms=50, longest_rest_ms=50, lag_ms=60_000)


@pytest.fixture
def data() -> Iterator[Shop]:
    with shop() as found:
        yield found


def served(answer: Answer) -> tuple[Source, Reason | None]:
    return answer.served.source, answer.served.reason


async def until_fresh(reader: AsyncProfileReader, session_id: str) -> Answer:
    """Reads until the profile is a fresh one."""
    async with asyncio.timeout(60):
        while (answer := await reader.read(session_id)).served.source != Source.PROFILE:
            await asyncio.sleep(0.02)
    return answer


def test_reads_of_one_tick_are_one_mget(data: Shop) -> None:
    async def scenario() -> list[Answer]:
        async with AsyncProfileReader(data.url, SETTINGS) as reader:
            await reader.read("s0")
            before = data.calls()
            answers = await asyncio.gather(*(reader.read(f"s{number % 20}") for number in range(100)))
            assert data.calls() == before + 1
            return answers

    answers = asyncio.run(scenario())
    assert {served(answer) for answer in answers} == {(Source.PROFILE, None)}
    assert [answer.profile["session_id"] for answer in answers] == [f"s{number % 20}" for number in range(100)]


def test_many_more_reads_than_one_mget_takes_are_all_answered(data: Shop) -> None:
    async def scenario() -> Counter[tuple[Source, Reason | None]]:
        async with AsyncProfileReader(data.url, SETTINGS) as reader:
            await reader.read("s0")
            answers = await asyncio.gather(*(reader.read(f"none{number}") for number in range(10 * BATCH_KEYS)))
            return Counter(map(served, answers))

    assert asyncio.run(scenario()) == {(Source.ALL, Reason.NO_PROFILE): 10 * BATCH_KEYS}


def test_more_reads_than_may_wait_are_answered_at_once(data: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MOST_FULL", 2)
    monkeypatch.setattr(batching, "BATCH_KEYS", 8)
    most = 4 * 8

    async def scenario() -> Counter[tuple[Source, Reason | None]]:
        async with AsyncProfileReader(data.url, SETTINGS) as reader:
            await reader.read("s0", region="EU")
            data.server.stall()
            reads = [asyncio.ensure_future(reader.read(f"x{n}", region="EU")) for n in range(most + 100)]
            done, _ = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            data.server.wake()
            assert {served(read.result()) for read in done} == {(Source.REGION, Reason.OVERLOADED)}
            return Counter(map(served, await asyncio.gather(*reads)))

    counted = asyncio.run(scenario())
    assert set(counted) == {(Source.REGION, Reason.OVERLOADED), (Source.REGION, Reason.NO_PROFILE)}


def test_a_server_that_was_killed_and_is_back(data: Shop) -> None:
    async def scenario() -> None:
        settings = ReaderSettings(budget_ms=PATIENT_MS, slow_ms=30_000, first_rest_ms=50, longest_rest_ms=50)
        counted: Counter[str] = Counter()
        count = lambda name, by: counted.update({name: by})  # noqa: E731
        async with AsyncProfileReader(data.url, settings, count=count) as reader:
            await reader.read("s0", region="EU")
            data.server.kill()
            found = [served(await reader.read(session, region="EU")) for session in ("s0", "s1") * 5]
            assert {source for source, _ in found} == {Source.STALE, Source.REGION}
            assert {reason for _, reason in found} == {Reason.REDIS_AWAY, Reason.BREAKER_OPEN}
            data.client = data.server.start()
            data.fill()
            assert served(await until_fresh(reader, "s1")) == (Source.PROFILE, None)
            assert reader.chain.breaker.state == BreakerState.CLOSED
        assert counted["breaker_opened"] == counted["breaker_closed"] == 1
        assert counted["connections_lost"] == 1

    asyncio.run(scenario())


def test_a_server_that_never_was(tmp_path: Any) -> None:
    async def scenario() -> list[tuple[Source, Reason | None]]:
        async with AsyncProfileReader(f"unix://{tmp_path}/none.sock", SETTINGS) as reader:
            return [served(await reader.read("s", region="EU")) for _ in range(5)]

    found = asyncio.run(scenario())
    assert found[0] == (Source.STATIC, Reason.REDIS_AWAY)
    assert found[-1] == (Source.STATIC, Reason.BREAKER_OPEN)


def test_a_server_that_is_stopped_costs_the_budget_until_the_breaker_opens(data: Shop) -> None:
    async def scenario() -> None:
        async with AsyncProfileReader(data.url, QUICK) as reader:
            await until_fresh(reader, "s0")
            data.server.stall()
            found = [served(await reader.read("s0")) for _ in range(12)]
            data.server.wake()
            assert found[0] == (Source.STALE, Reason.REDIS_SLOW)
            assert (Source.STALE, Reason.BREAKER_OPEN) in found
            await until_fresh(reader, "s0")

    asyncio.run(scenario())


def test_a_connection_that_stays_silent_is_given_up(data: Shop) -> None:
    async def scenario() -> None:
        settings = ReaderSettings(budget_ms=PATIENT_MS, slow_ms=30, give_up_ms=100, first_rest_ms=50)
        async with AsyncProfileReader(data.url, settings) as reader:
            await reader.read("s0")
            data.server.stall()
            assert served(await reader.read("s0")) == (Source.STALE, Reason.REDIS_AWAY)
            data.server.wake()
            await until_fresh(reader, "s0")

    asyncio.run(scenario())


def test_a_slow_server_is_read_behind_and_what_comes_late_is_announced(data: Shop) -> None:
    async def scenario(url: str, slow: Any) -> None:
        board, heard = NoticeBoard(), asyncio.Queue[Notice]()
        async with AsyncProfileReader(url, QUICK, notices=board) as reader:
            await until_fresh(reader, "s0")
            end = board.listen("s0", heard.put_nowait)
            slow.delay_s = 0.5
            data.put("s0", version=2, updated_at=NOW_MS + 1)
            assert served(await reader.read("s0")) == (Source.STALE, Reason.REDIS_SLOW)
            async with asyncio.timeout(60):
                assert (await heard.get()).version == 2
            answer = await reader.read("s0")
            assert (answer.served.source, answer.profile["version"]) == (Source.STALE, 2)
            while reader.chain.breaker.state == BreakerState.CLOSED:
                await reader.read("s0")
            data.put("s0", version=3, updated_at=NOW_MS + 2)
            assert served(await reader.read("s0")) == (Source.STALE, Reason.REDIS_SLOW)
            async with asyncio.timeout(60):
                assert (await heard.get()).version == 3
            slow.delay_s = 0.0
            await until_fresh(reader, "s0")
            end()

    with slow_proxy(data.socket) as slow:
        asyncio.run(scenario(slow.url, slow))


def test_a_session_that_is_on_its_way_is_not_read_behind_twice(data: Shop) -> None:
    async def scenario() -> None:
        async with AsyncProfileReader(data.url, SETTINGS) as reader:
            await reader.read("s0")
            before = data.calls()
            reader.chain.is_pressed = True
            for _ in range(50):
                assert served(await reader.read("s0")) == (Source.STALE, Reason.PRESSURE)
            reader.chain.is_pressed = False
            await reader.read("s1")
            assert data.calls() <= before + 2

    asyncio.run(scenario())


def test_foreign_values_of_every_type_are_no_profile_and_no_error(data: Shop) -> None:
    client, key = data.client, "heliotrope:profile:f"
    client.rpush(f"{key}list", "x")
    client.hset(f"{key}hash", "a", "b")
    client.sadd(f"{key}set", "x")
    client.zadd(f"{key}zset", {"x": 1})
    client.xadd(f"{key}stream", {"a": "b"})
    client.set(f"{key}text", b"\xff\x00")
    client.set(f"{key}json", "[]")
    client.delete("heliotrope:popular:EU")
    client.sadd("heliotrope:popular:EU", "x")

    async def scenario() -> dict[str, tuple[Source, Reason | None]]:
        async with AsyncProfileReader(data.url, SETTINGS) as reader:
            kinds = ("list", "hash", "set", "zset", "stream", "text", "json")
            return {kind: served(await reader.read(f"f{kind}", region="EU")) for kind in kinds}

    found = asyncio.run(scenario())
    assert set(found.values()) == {(Source.ALL, Reason.NO_PROFILE), (Source.ALL, Reason.NOT_A_PROFILE)}
    assert found["json"] == found["text"] == (Source.ALL, Reason.NOT_A_PROFILE)


def test_a_server_that_refuses_is_an_error_with_a_reason(data: Shop) -> None:
    data.client.acl_setuser("nobody", enabled=True, nopass=True, commands=["+ping"], keys=["x"])

    async def scenario() -> list[tuple[Source, Reason | None]]:
        url = data.url.replace("unix://", "unix://nobody:any@")
        async with AsyncProfileReader(url, SETTINGS) as reader:
            return [served(await reader.read("s0")) for _ in range(2)]

    assert asyncio.run(scenario()) == [(Source.STATIC, Reason.REDIS_ERROR)] * 2


def test_a_notice_wakes_who_waits_for_a_write(data: Shop) -> None:
    async def scenario() -> None:
        board = NoticeBoard()
        async with AsyncProfileReader(data.url, SETTINGS, notices=board) as reader:
            waiting = asyncio.ensure_future(reader.read("s0", min_version=2, wait_ms=PATIENT_MS))
            while not len(board):
                await asyncio.sleep(0)
            data.put("s0", version=2)
            board.publish(Notice("s0", 2, NOW_MS))
            answer = await waiting
            assert (served(answer), answer.profile["version"], len(board)) == ((Source.PROFILE, None), 2, 0)

    asyncio.run(scenario())


def test_without_notices_who_waits_looks_again(data: Shop) -> None:
    async def scenario() -> None:
        async with AsyncProfileReader(data.url, SETTINGS) as reader:
            waiting = asyncio.ensure_future(reader.read("new", since_ms=NOW_MS - 100, wait_ms=PATIENT_MS))
            await reader.read("s0")
            data.put("new")
            assert served(await waiting) == (Source.PROFILE, None)

    asyncio.run(scenario())


def test_a_reader_who_gives_up_disturbs_nobody(data: Shop) -> None:
    async def scenario() -> None:
        board = NoticeBoard()
        async with AsyncProfileReader(data.url, SETTINGS, notices=board) as reader:
            gone = asyncio.ensure_future(reader.read("s0", min_version=9, wait_ms=PATIENT_MS))
            stays = asyncio.ensure_future(reader.read("s1"))
            await asyncio.sleep(0)
            gone.cancel()
            assert served(await stays) == (Source.PROFILE, None)
            with pytest.raises(asyncio.CancelledError):
                await gone
            assert len(board) == 0

    asyncio.run(scenario())


def test_a_closed_reader_still_answers(data: Shop) -> None:
    async def scenario() -> Answer:
        reader = AsyncProfileReader(data.url, SETTINGS)
        await reader.read("s0")
        await reader.close()
        return await reader.read("s0")

    assert asyncio.run(scenario()).served.source == Source.STALE
