"""The hub on a real cluster: one subscription, at any node, which moves on when that dies or is cut off."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from operators.redis.cluster.address import cluster_address
from operators.redis.cluster.topology import slot_of
from operators.redis.profile_batch import updated_message
from serving.cluster_redis import Call, ClusterRedis
from serving.context import open_redis
from serving.push.hub import Hub
from serving.push.position import NOWHERE, Position
from serving.reader.cluster.nodes import AsyncNodes
from serving.reader.notices import Notice, NoticeBoard
from tests.redis_cluster import ClusterNode, RedisCluster, redis_cluster
from tests.serving.push.published import PREFIX, profile
from tests.serving.push.test_hub import PATIENCE_S, Worker, live, run, until
from tests.state.shop import settings

SESSIONS = [f"s{number}" for number in range(30)]
CHANNEL = f"{PREFIX}:profile-updated"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """Three primaries with replicas."""
    with redis_cluster(3) as running:
        yield running


@pytest.fixture(scope="module")
def steady() -> Iterator[RedisCluster]:
    """Three primaries, of which none is replaced."""
    with redis_cluster() as running:
        yield running


def key_of(session_id: str) -> str:
    return f"{PREFIX}:profile:{session_id}"


def publish(cluster: RedisCluster, session_id: str, version: int) -> None:
    """Writes a profile at its primary, which announces it to all nodes."""
    node = cluster.owner(key_of(session_id))
    node.client.set(key_of(session_id), profile(session_id, 1_000, version, 5_000 + version))
    node.client.publish(CHANNEL, updated_message(session_id, version, 5_000 + version))


async def hear_all(cluster: RedisCluster, heard: asyncio.Queue[Notice]) -> None:
    """Publishes for each session until it is heard of: nodes that have just met lose what they tell each other."""
    missing = set(SESSIONS)
    async with asyncio.timeout(PATIENCE_S):
        while missing:
            for session in missing:
                publish(cluster, session, 7)
            while missing:
                try:
                    notice = await asyncio.wait_for(heard.get(), 0.5)
                except TimeoutError:
                    break
                missing.discard(notice.session_id)


@asynccontextmanager
async def worker_on(client: ClusterRedis, ping_after_s: float = 5.0, reread_s: float = 600.0) -> AsyncIterator[Worker]:
    board = NoticeBoard()
    hub = Hub(client, PREFIX, board, ping_after_s, reread_s=reread_s)
    hub.start()
    try:
        yield Worker(hub, board)
    finally:
        await hub.aclose()
        await client.aclose()


def client_of(cluster: RedisCluster) -> ClusterRedis:
    client = open_redis(settings(redis={"url": cluster.url}))
    assert isinstance(client, ClusterRedis)
    return client


def subscribed(cluster: RedisCluster) -> list[ClusterNode]:
    return [node for node in cluster.nodes if node.is_running and node.command("PUBSUB", "NUMSUB", CHANNEL)[1]]


def test_notifications_come_from_every_primary_and_positions_too(steady: RedisCluster) -> None:
    async def test() -> None:
        async with worker_on(client_of(steady)) as (hub, board):
            await live(board)
            assert len(subscribed(steady)) == 1
            heard: asyncio.Queue[Notice] = asyncio.Queue()
            for session in SESSIONS:
                board.listen(session, heard.put_nowait)
            await hear_all(steady, heard)
            for session in SESSIONS:
                with hub.follow(session) as watch, hub.follow("nobody") as nobody:
                    await until(watch, lambda watch=watch: watch.position == Position(1_000, 7, 5_007))  # type: ignore[misc]
                    await until(nobody, lambda nobody=nobody: nobody.position == NOWHERE)  # type: ignore[misc]

    run(test())


def test_a_notification_that_is_lost_between_nodes_is_made_up_for(steady: RedisCluster) -> None:
    publish(steady, "quiet", 1)

    async def test() -> None:
        async with worker_on(client_of(steady), reread_s=0.05) as (hub, _):
            with hub.follow("quiet") as watch:
                await until(watch, lambda: watch.position == Position(1_000, 1, 5_001))
                node = steady.owner(key_of("quiet"))
                node.client.set(key_of("quiet"), profile("quiet", 1_000, 2, 5_002))  # and announces nothing
                await until(watch, lambda: watch.position == Position(1_000, 2, 5_002))

    run(test())


def test_positions_follow_a_slot_that_moves(steady: RedisCluster) -> None:
    stays, goes = "{h}stays", "{h}goes"
    slot, source = slot_of(b"{h}"), steady.owner("{h}")
    target = next(node for node in steady.primaries if node is not source)
    for session in (stays, goes):
        publish(steady, session, 1)

    async def test() -> None:
        async with worker_on(client_of(steady)) as (hub, _):
            with hub.follow(stays) as first, hub.follow(goes) as second:
                await until(second, lambda: second.position == Position(1_000, 1, 5_001))
                steady.begin_to_move(slot, source, target)
                source.command("MIGRATE", "127.0.0.1", target.port, key_of(goes), 0, 5_000)
                for session, node in ((stays, source), (goes, target)):
                    with node.client.pipeline(transaction=False) as pipe:
                        pipe.execute_command("ASKING")  # type: ignore[no-untyped-call]
                        pipe.set(key_of(session), profile(session, 1_000, 2, 5_002))
                        pipe.execute()
                    source.client.publish(CHANNEL, updated_message(session, 2, 5_002))
                await until(first, lambda: first.position == Position(1_000, 2, 5_002))
                await until(second, lambda: second.position == Position(1_000, 2, 5_002))
                steady.end_to_move(slot, source, target)
                publish(steady, goes, 3)
                await until(second, lambda: second.position == Position(1_000, 3, 5_003))

    run(test())
    steady.begin_to_move(slot, target, source)
    steady.end_to_move(slot, target, source)


def test_a_node_that_hangs_holds_up_only_its_own_sessions(steady: RedisCluster) -> None:
    hung = steady.owner(key_of("a"))
    other = next(session for session in SESSIONS if steady.owner(key_of(session)) is not hung)
    publish(steady, "a", 1)
    publish(steady, other, 8)

    async def test() -> None:
        async with worker_on(client_of(steady)) as (hub, _):
            with hub.follow("a") as theirs, hub.follow(other) as ours:
                await until(theirs, lambda: theirs.position == Position(1_000, 1, 5_001))
                hung.stall()
                try:
                    hub._must_read(["a"])
                    key = key_of(other)
                    steady.owner(key).client.set(key, profile(other, 1_000, 9, 5_009))
                    hub._must_read([other])
                    await until(ours, lambda: ours.position == Position(1_000, 9, 5_009))
                finally:
                    hung.wake()
                publish(steady, "a", 2)
                await until(theirs, lambda: theirs.position == Position(1_000, 2, 5_002))

    run(test())


def test_the_subscription_moves_when_its_node_dies_and_misses_nothing(cluster: RedisCluster) -> None:
    session = "mine"
    publish(cluster, session, 1)

    async def test() -> None:
        async with worker_on(client_of(cluster), ping_after_s=0.5) as (hub, board):
            await live(board)
            with hub.follow(session) as mine:
                await until(mine, lambda: mine.position == Position(1_000, 1, 5_001))
                [node] = subscribed(cluster)
                node.kill()
                await live(board, False)
                await asyncio.to_thread(cluster.wait_for_owner, key_of(session))
                publish(cluster, session, 2)
                await until(mine, lambda: mine.position == Position(1_000, 2, 5_002))
                await live(board)
                assert subscribed(cluster)
                node.start()

    run(test())
    cluster.wait_for_ok()


class Choosy(ClusterRedis):
    """A client whose first connection is to a node of the test's choice."""

    def __init__(self, nodes: AsyncNodes, first: ClusterNode) -> None:
        super().__init__(nodes, 5.0)
        self._first: ClusterNode | None = first

    @property
    def connection_pool(self) -> Any:
        first, self._first = self._first, None
        return super().connection_pool if first is None else self.nodes.pool(first.node)


def test_a_node_that_lives_but_was_cut_off_is_left(cluster: RedisCluster) -> None:
    loner = next(node for node in cluster.nodes if node.command("ROLE")[0] == b"slave")

    async def test() -> None:
        nodes = AsyncNodes(cluster_address(cluster.url), None, socket_timeout=5)
        async with worker_on(Choosy(nodes, loner), ping_after_s=0.2) as (hub, board):
            await live(board)
            assert subscribed(cluster) == [loner]
            name = loner.name()
            loner.command("CLUSTER", "RESET")
            for node in cluster.nodes:
                if node is not loner:
                    node.command("CLUSTER", "FORGET", name)
            async with asyncio.timeout(PATIENCE_S):
                while loner in subscribed(cluster):
                    await asyncio.sleep(0.05)
            await live(board)
            publish(cluster, "cut", 4)
            with hub.follow("cut") as watch:
                await until(watch, lambda: watch.position == Position(1_000, 4, 5_004))

    run(test())


def test_other_commands_reach_keys_of_any_slot_and_keep_their_order(steady: RedisCluster) -> None:
    async def test() -> None:
        client = client_of(steady)
        keys = [f"list:{session}" for session in SESSIONS]
        calls = [Call(key.encode(), ("RPUSH", key, step)) for step in (1, 2) for key in keys]
        assert await client.run(calls) == [1] * 30 + [2] * 30
        assert await client.ping()
        assert await client.get("nothing") is None
        pipe = client.pipeline(transaction=False)
        for session in SESSIONS:
            pipe.eval("return KEYS[1]", 1, session)
        assert await pipe.execute() == [session.encode() for session in SESSIONS]
        await client.aclose()

    run(test())


def test_one_node_that_is_away_makes_no_worker_unready(steady: RedisCluster) -> None:
    steady.primaries[0].stall()

    async def test() -> None:
        client = client_of(steady)
        assert await client.ping()
        await client.aclose()

    try:
        run(test())
    finally:
        steady.primaries[0].wake()
