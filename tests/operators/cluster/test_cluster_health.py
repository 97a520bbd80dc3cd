"""A cluster loses data, or only moves it: what the session operator sees of it, and brings back."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cli.redis_client import connect
from operators.redis.cluster.address import Node
from operators.redis.cluster.health import PROBES, ClusterHealth, probe_keys
from operators.redis.cluster.topology import SLOTS, slot_of
from operators.redis.health import marker_key, new_marker
from operators.session.rebuild import Report, reports_key
from tests.operators.test_session_operator import BUCKET, Bench
from tests.redis_cluster import RedisCluster, redis_cluster, wait_until

SESSIONS = [f"s{number}" for number in range(30)]

pytestmark = pytest.mark.usefixtures("named_state")


class _Running:
    """A cluster in the place of a server that is to be started."""

    def __init__(self, cluster: RedisCluster) -> None:
        self.url = cluster.url

    def start(self) -> Any:
        return connect(self.url, None, 5)


class ClusterBench(Bench):
    """The session operator over a cluster, which has looked at it, with sessions on every primary."""

    def __init__(self, cluster: RedisCluster) -> None:
        super().__init__(_Running(cluster), redis={"block_max": 20_000})  # type: ignore[arg-type]
        self.cluster = cluster
        self.product("p1")
        for session_id in SESSIONS:
            self.view(session_id)
        self.flush()
        self.look_until(lambda: bool(self.epoch))

    @property
    def epoch(self) -> str:
        health = self.operator._redis_health
        assert isinstance(health, ClusterHealth)
        return health.epoch

    def look_until(self, condition: Callable[[], object]) -> None:
        """Looks at Redis again and again, each time with the newest answers, and brings back what is lost."""

        def look() -> object:
            self.operator._redis_health._next_ms = 0
            self.look_once()
            self.operator._writer.settle()
            return condition()

        wait_until(look)
        self.look_once()  # with the answers that made it so
        while self.operator._rebuilder.is_busy_with(BUCKET):
            self.look_once()
        self.operator._writer.settle()

    def profiles(self) -> dict[str, bytes]:
        found = {session: self.cluster.get(f"heliotrope:profile:{session}") for session in SESSIONS}
        return {session: raw for session, raw in found.items() if raw is not None}


def test_each_share_of_the_slots_has_a_marker() -> None:
    assert [slot_of(key.encode()) * PROBES // SLOTS for key in probe_keys("heliotrope")] == list(range(PROBES))


def test_one_primary_that_is_flushed_gets_its_profiles_back(cluster: RedisCluster) -> None:
    bench = ClusterBench(cluster)
    before, epoch = bench.profiles(), bench.epoch
    assert before.keys() == set(SESSIONS)
    assert bench.count("rebuilds") == 0
    cluster.primaries[1].client.flushall()
    assert bench.profiles().keys() < before.keys()
    bench.look_until(lambda: bench.epoch != epoch)
    assert bench.profiles() == before


def test_rebuild_is_asked_for_by_the_marker_that_a_single_server_has(cluster: RedisCluster) -> None:
    bench = ClusterBench(cluster)
    before, marker = bench.profiles(), new_marker()
    bench.redis.delete("heliotrope:profile:s1")
    bench.redis.set(marker_key("heliotrope"), marker)
    bench.look_until(lambda: bench.epoch.startswith(marker))
    assert bench.profiles() == before
    found: Any = bench.redis.hgetall(reports_key("heliotrope"))
    told = msgspec.json.decode(found[BUCKET.encode()], type=Report)
    assert told.epoch.startswith(marker)
    assert (told.written, told.is_done) == (len(SESSIONS), True)


def test_a_slot_that_moves_is_no_loss(cluster: RedisCluster) -> None:
    bench = ClusterBench(cluster)
    epoch, [key] = bench.epoch, probe_keys("heliotrope")[:1]
    source, target = cluster.owner(key), cluster.primaries[2]
    slot = slot_of(key.encode())
    cluster.begin_to_move(slot, source, target)
    cluster.end_to_move(slot, source, target)
    routing = bench.operator._writer._dispatcher.routing  # type: ignore[union-attr]
    bench.look_until(lambda: routing.lane_of(slot).pipeline.node == Node("127.0.0.1", target.port))
    for _ in range(3):
        bench.look_until(lambda: True)
    assert bench.epoch == epoch
    cluster.begin_to_move(slot, target, source)
    cluster.end_to_move(slot, target, source)


def test_memory_is_judged_by_the_fullest_primary(cluster: RedisCluster) -> None:
    bench = ClusterBench(cluster)
    used = [node.memory() for node in cluster.primaries]
    assert bench.operator._redis_health.used_bytes == pytest.approx(sum(used), rel=0.2)
    node = cluster.primaries[0]
    node.client.set("other:program", "x" * 50_000_000)
    bench.look_until(lambda: bench.operator._redis_health.used_bytes > sum(used) + 40_000_000)
    assert bench.gauge("redis_used_bytes") == bench.operator._redis_health.used_bytes
    assert bench.gauge("redis_max_bytes") == 0


def test_a_successor_makes_another_epoch() -> None:
    """It may lack what the dead one had not sent it, so all is written again."""
    with redis_cluster(3) as cluster:
        bench = ClusterBench(cluster)
        epoch = bench.epoch
        cluster.primaries[0].kill()
        bench.look_until(lambda: bench.epoch != epoch)
        assert bench.profiles().keys() == set(SESSIONS)
        assert bench.count("profiles_rebuilt") >= len(SESSIONS)
