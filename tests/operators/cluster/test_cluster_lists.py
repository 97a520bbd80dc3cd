"""The regions' lists in a real cluster."""

import json
from collections import Counter

from operators.redis.cluster.address import cluster_address
from operators.redis.cluster.calls import ClusterCalls
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.topology import slot_of
from operators.redis.lists import PopularWriter
from tests.redis_cluster import RedisCluster

REGIONS = [f"region-{number}" for number in range(20)]


class Bench:
    """The writer, and what it counts."""

    def __init__(self, cluster: RedisCluster) -> None:
        self.counts: Counter[str] = Counter()
        self.cluster = cluster
        nodes = ClusterNodes(cluster_address(cluster.url), None, 0.5)
        self.writer = PopularWriter(ClusterCalls(nodes), "shop", 60_000, self._count)

    def _count(self, name: str, by: int) -> None:
        self.counts[name] += by

    def write(self, updated_at: int, regions: list[str]) -> None:
        self.writer.write(
            [(region, json.dumps(_form(region, updated_at), separators=(",", ":")).encode()) for region in regions]
        )

    def stored(self, region: str) -> int:
        raw = self.cluster.get(f"shop:popular:{region}")
        return 0 if raw is None else int(json.loads(raw)["updated_at"])


def _form(region: str, updated_at: int) -> dict[str, object]:
    return {"region": region, "updated_at": updated_at}


def test_lists_go_to_the_primaries_of_their_slots_and_newer_wins(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    bench.write(5, REGIONS)
    bench.write(4, REGIONS[:10])
    bench.write(6, REGIONS[10:])
    assert [bench.stored(region) for region in REGIONS] == [5] * 10 + [6] * 10
    assert bench.counts == {"popular_written": 30, "popular_stale": 10}
    assert all(node.client.dbsize() for node in cluster.primaries)


def test_a_key_of_a_wrong_type_costs_that_list_alone(cluster: RedisCluster) -> None:
    key = f"shop:popular:{REGIONS[3]}"
    cluster.owner(key).client.hset(key, "a", "b")
    bench = Bench(cluster)
    bench.write(5, REGIONS)
    assert [bench.stored(region) for region in REGIONS] == [5] * 20
    assert (bench.counts["popular_written"], bench.counts["popular_over_foreign"]) == (20, 1)


def test_lists_follow_a_slot_that_moves(cluster: RedisCluster) -> None:
    region = REGIONS[0]
    key = f"shop:popular:{region}"
    slot = slot_of(key.encode())
    source = cluster.owner(key)
    target = next(node for node in cluster.primaries if node is not source)
    bench = Bench(cluster)
    bench.write(1, REGIONS)
    source.client.delete(key)
    cluster.begin_to_move(slot, source, target)
    bench.write(2, REGIONS)
    assert target.command("CLUSTER", "COUNTKEYSINSLOT", slot) == 1
    cluster.end_to_move(slot, source, target)
    bench.write(3, REGIONS)
    assert [bench.stored(region) for region in REGIONS] == [3] * 20
    assert "popular_retries" not in bench.counts
    cluster.begin_to_move(slot, target, source)
    cluster.end_to_move(slot, target, source)


def test_a_primary_that_is_away_costs_only_its_lists_and_only_for_now(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    bench.write(1, REGIONS)
    hung = cluster.primaries[0]
    theirs = [region for region in REGIONS if cluster.owner(f"shop:popular:{region}") is hung]
    assert 0 < len(theirs) < len(REGIONS)
    others = [region for region in REGIONS if region not in theirs]
    hung.stall()
    try:
        bench.write(2, REGIONS)
        assert bench.counts["redis_errors_away"]
        assert bench.counts["popular_failed"] == len(REGIONS)
    finally:
        hung.wake()
    assert [bench.stored(region) for region in others] == [2] * len(others)
    bench.writer._silent_until_s = 0.0
    bench.write(3, REGIONS)
    assert [bench.stored(region) for region in REGIONS] == [3] * len(REGIONS)
