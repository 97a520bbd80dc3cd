"""Both readers against a real cluster: any slot, slots that move, nodes that hang or die."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from operators.redis.cluster.topology import slot_of
from serving.reader import Answer, AsyncProfileReader, ProfileReader, ReaderSettings, Reason, Source
from serving.reader.cluster.asynchronous import ClusterBatchingStore
from tests.redis_cluster import ClusterNode, RedisCluster, redis_cluster
from tests.serving.redis_data import list_of, profile_of

SETTINGS = ReaderSettings(budget_ms=60_000, slow_ms=30_000, give_up_ms=60_000, lag_ms=60_000)
QUICK = ReaderSettings(budget_ms=30, slow_ms=30, give_up_ms=2_000, first_rest_ms=50, longest_rest_ms=50, lag_ms=60_000)
HANGING = ReaderSettings(budget_ms=300, slow_ms=300, first_rest_ms=50, longest_rest_ms=50, lag_ms=60_000)
SESSIONS = [f"s{number}" for number in range(30)]
KEY = "heliotrope:profile:"


def fill(cluster: RedisCluster) -> None:
    for session in SESSIONS:
        put(cluster, session)
    for region in ("EU", "_all"):
        key = f"heliotrope:popular:{region}"
        cluster.owner(key).client.set(key, list_of(region))


def put(cluster: RedisCluster, session: str) -> None:
    cluster.owner(KEY + session).client.set(KEY + session, profile_of(session))


@pytest.fixture(scope="module")
def steady() -> Iterator[RedisCluster]:
    """Three primaries, of which none is replaced."""
    with redis_cluster() as running:
        fill(running)
        yield running


@pytest.fixture(scope="module")
def replicated() -> Iterator[RedisCluster]:
    """Three primaries with replicas."""
    with redis_cluster(3) as running:
        fill(running)
        yield running


Read = Callable[..., Awaitable[Answer]]
Scenario = Callable[[Read, Counter[str]], Awaitable[None]]


def run_asynchronous(url: str, settings: ReaderSettings, scenario: Scenario) -> None:
    async def run() -> None:
        counts: Counter[str] = Counter()
        async with AsyncProfileReader(url, settings, count=lambda name, by: counts.update({name: by})) as reader:
            await scenario(reader.read, counts)

    asyncio.run(run())


def run_blocking(url: str, settings: ReaderSettings, scenario: Scenario) -> None:
    counts: Counter[str] = Counter()
    with ProfileReader(url, settings, count=lambda name, by: counts.update({name: by})) as reader:

        async def read(*words: Any, **options: Any) -> Answer:
            return reader.read(*words, **options)

        async def run() -> None:
            await scenario(read, counts)

        asyncio.run(run())


Run = Callable[[str, ReaderSettings, Scenario], None]
both = pytest.mark.parametrize("run", [run_asynchronous, run_blocking], ids=["asynchronous", "blocking"])


def served(answer: Answer) -> tuple[Source, Reason | None]:
    return answer.served.source, answer.served.reason


def sessions_of(cluster: RedisCluster, node: ClusterNode) -> list[str]:
    return [session for session in SESSIONS if cluster.owner(KEY + session) is node]


@both
def test_profiles_and_lists_of_any_slot_are_read(steady: RedisCluster, run: Run) -> None:
    async def scenario(read: Read, counts: Counter[str]) -> None:
        for session in SESSIONS:
            answer = await read(session)
            assert served(answer) == (Source.PROFILE, None)
            assert answer.content == profile_of(session)
        assert served(await read("none", region="EU")) == (Source.REGION, Reason.NO_PROFILE)
        assert served(await read("none")) == (Source.ALL, Reason.NO_PROFILE)
        assert not counts["connections_lost"]

    run(steady.url, SETTINGS, scenario)


def test_many_reads_of_one_tick_are_all_answered(steady: RedisCluster) -> None:
    async def scenario(read: Read, counts: Counter[str]) -> None:
        answers = await asyncio.gather(*(read(SESSIONS[number % 30]) for number in range(3_000)))
        assert Counter(map(served, answers)) == {(Source.PROFILE, None): 3_000}
        assert [answer.profile["session_id"] for answer in answers] == [
            SESSIONS[number % 30] for number in range(3_000)
        ]
        assert counts["batches"] < 100

    run_asynchronous(steady.url, SETTINGS, scenario)


@both
def test_a_key_of_another_type_is_no_profile_and_nobody_elses_trouble(steady: RedisCluster, run: Run) -> None:
    node = steady.owner(KEY + "hash")
    node.client.hset(KEY + "hash", "a", "b")

    async def scenario(read: Read, counts: Counter[str]) -> None:
        assert served(await read("hash")) == (Source.ALL, Reason.NO_PROFILE)
        for session in sessions_of(steady, node):
            assert served(await read(session)) == (Source.PROFILE, None)

    run(steady.url, SETTINGS, scenario)


@both
def test_a_slot_that_moves_is_followed(steady: RedisCluster, run: Run) -> None:
    stays, goes = "{m}stays", "{m}goes"
    slot = slot_of(b"{m}")
    source = steady.owner("{m}")
    target = next(node for node in steady.primaries if node is not source)
    for session in (stays, goes):
        put(steady, session)

    async def scenario(read: Read, counts: Counter[str]) -> None:
        assert served(await read(stays)) == (Source.PROFILE, None)
        steady.begin_to_move(slot, source, target)
        source.command("MIGRATE", "127.0.0.1", target.port, KEY + goes, 0, 5_000)
        for session in (stays, goes):
            answer = await read(session)
            assert served(answer) == (Source.PROFILE, None)
            assert answer.profile["session_id"] == session
        assert counts["redirected_reads"] == 1
        steady.end_to_move(slot, source, target)
        for session in (stays, goes):
            assert served(await read(session)) == (Source.PROFILE, None)
        assert counts["redirected_reads"] == 2

    run(steady.url, SETTINGS, scenario)
    steady.begin_to_move(slot, target, source)
    steady.end_to_move(slot, target, source)


@both
def test_a_node_that_hangs_costs_only_its_own(steady: RedisCluster, run: Run) -> None:
    hung = steady.owner(KEY + SESSIONS[0])
    theirs = sessions_of(steady, hung)
    ours = [session for session in SESSIONS if session not in theirs]

    async def scenario(read: Read, counts: Counter[str]) -> None:
        for session in SESSIONS:
            while served(await read(session)) != (Source.PROFILE, None):
                await asyncio.sleep(0.01)  # not connected within the budget
        hung.stall()
        try:
            while not counts["breaker_opened"]:
                assert (await read(theirs[0])).served.source == Source.STALE
            for session in theirs:
                assert (await read(session)).served.source == Source.STALE
            for session in ours:
                assert served(await read(session, budget_ms=60_000)) == (Source.PROFILE, None)
        finally:
            hung.wake()
        for session in theirs:
            while served(await read(session)) != (Source.PROFILE, None):
                await asyncio.sleep(0.01)

    run(steady.url, HANGING, scenario)


@both
def test_a_primarys_successor_is_found(replicated: RedisCluster, run: Run) -> None:
    victim = replicated.owner(KEY + SESSIONS[0])
    theirs = sessions_of(replicated, victim)

    async def scenario(read: Read, counts: Counter[str]) -> None:
        for session in theirs:
            while served(await read(session)) != (Source.PROFILE, None):
                await asyncio.sleep(0.01)
        victim.kill()
        assert (await read(theirs[0])).served.source == Source.STALE
        deadline_s = time.monotonic() + 60
        for session in theirs:
            while served(await read(session)) != (Source.PROFILE, None):
                assert time.monotonic() < deadline_s
                await asyncio.sleep(0.02)
        assert replicated.owner(KEY + theirs[0]) is not victim

    run(replicated.url, QUICK, scenario)
    victim.start()
    replicated.wait_for_ok()


def test_nothing_answers_and_nothing_is_raised() -> None:
    async def scenario(read: Read, counts: Counter[str]) -> None:
        assert served(await read("s")) == (Source.STATIC, Reason.REDIS_AWAY)

    run_asynchronous("redis+cluster://127.0.0.1:1,127.0.0.1:2", SETTINGS, scenario)
    run_blocking("redis+cluster://127.0.0.1:1,127.0.0.1:2", SETTINGS, scenario)


def test_connections_to_a_node_that_is_gone_are_given_up(replicated: RedisCluster) -> None:
    victim = replicated.owner(KEY + SESSIONS[0])

    async def run() -> None:
        async with AsyncProfileReader(replicated.url, QUICK) as reader:
            store = reader._store
            assert isinstance(store, ClusterBatchingStore)
            while (await reader.read(SESSIONS[0])).served.source != Source.PROFILE:
                await asyncio.sleep(0.01)
            assert victim.node in store._stores
            victim.kill()
            while (await reader.read(SESSIONS[0])).served.source != Source.PROFILE:
                await asyncio.sleep(0.01)
            assert victim.node not in store._stores

    asyncio.run(asyncio.wait_for(run(), 60))
