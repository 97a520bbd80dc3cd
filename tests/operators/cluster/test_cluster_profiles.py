"""Profiles written to a real cluster of three primaries: as to a single server, whatever moves or refuses."""

import json
from typing import Any

import pytest

from operators.counters import Counters
from operators.redis.cluster.calls import ClusterCalls
from operators.redis.cluster.health import ClusterHealth
from operators.redis.cluster.topology import slot_of
from operators.redis.lists import PopularWriter
from operators.redis.profiles import RedisUnavailableError
from state.profile.memory_budget import MemoryBudget
from tests.operators.cluster.holding_proxy import holding_proxy
from tests.operators.cluster.writing import Bench, key_of, write
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.operators.test_redis_rights import rights
from tests.redis_cluster import RedisCluster, redis_cluster, wait_until


def test_profiles_go_to_the_primary_of_their_slot(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    sessions = [*(f"s{number}" for number in range(200)), 'ü"\r\n$1', "a{b}c", "a}b{", "{}x"]
    for number, session in enumerate(sessions):
        bench.writer.put(session, write(version=number + 1), clicked_ms=number + 1)
    bench.writer.settle()
    assert [bench.stored(session) for session in sessions] == [
        json.loads(write(version=number + 1).profile) for number in range(len(sessions))
    ]
    assert all(node.client.dbsize() for node in cluster.primaries)
    assert sorted(bench.clicked_ms) == list(range(1, len(sessions) + 1))
    assert (bench.counts["profiles_written"], bench.counts["redis_retries"]) == (len(sessions), 0)
    assert 3_500_000 < int(str(cluster.owner(key_of("s1")).client.pttl(key_of("s1")))) <= 3_600_000


@pytest.mark.parametrize(
    ("standing", "offered", "wins"),
    [
        ((5, 9, 9), (5, 10, 1), True),
        ((5, 9, 9), (5, 8, 99), False),
        ((5, 9, 9), (5, 9, 9), True),
        ((5, 9, 9), (5, 9, 8), False),
        ((5, 9, 9), (10, 1, 1), True),
        ((5, 9, 9), (4, 99, 99), False),
        ((2**53 - 1, 2**53 - 1, 2**53 - 1), (2**53 - 1, 2**53 - 1, 2**53 - 2), False),
    ],
)
def test_a_newer_profile_is_never_overwritten(
    cluster: RedisCluster, standing: tuple[int, int, int], offered: tuple[int, int, int], wins: bool
) -> None:
    bench = Bench(cluster)
    for numbers in (standing, offered):
        bench.writer.put("s", write(*numbers))
        bench.writer.settle()
    found = bench.stored("s")
    assert found is not None
    assert (found["generation"], found["version"], found["updated_at"]) == (offered if wins else standing)
    assert bench.counts["profiles_stale"] == (0 if wins else 1)


def listener_says(listener: Any) -> dict[str, Any]:
    message = listener.get_message(timeout=5)
    assert message is not None
    return dict(json.loads(message["data"]))


def test_each_write_is_announced_on_every_node(cluster: RedisCluster) -> None:
    listeners: list[Any] = [node.subscription() for node in cluster.primaries]
    for listener in listeners:
        listener.subscribe("shop:profile-updated")
        assert listener.get_message(timeout=5) is None  # that it is subscribed
    bench = Bench(cluster)
    bench.writer.put("announced", write(version=3, updated_at=7))
    bench.writer.settle()
    for listener in listeners:
        while (said := listener_says(listener))["session_id"] != "announced":
            pass  # of other tests
        assert said == {"session_id": "announced", "version": 3, "updated_at": 7}


def test_a_key_of_a_wrong_type_costs_that_key_alone(cluster: RedisCluster) -> None:
    node = cluster.primaries[0]
    bench = Bench(cluster)
    sessions = bench.sessions_of(node, 9)
    node.client.hset(key_of(sessions[0]), "a", "b")
    node.client.rpush(key_of(sessions[3]), "a")
    node.client.set(key_of(sessions[6]), "text of another program")
    for session in sessions:
        bench.writer.put(session, write())
    bench.writer.settle()
    assert all(bench.stored(session) for session in sessions)
    assert bench.counts == {"profiles_written": 9, "profiles_over_foreign": 3}


def test_a_deletion_takes_a_pending_write_with_it(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    bench.writer.put("s", write())
    bench.writer.settle()
    bench.writer.put("s", write(version=2))
    bench.writer.delete("s")
    bench.writer.settle()
    assert bench.stored("s") is None
    assert bench.counts["profiles_written"] == 1


def test_of_one_session_the_newest_waits_for_the_answer_of_the_one_before(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    node = cluster.owner(key_of("s"))
    bench.writer.put("s", write())
    bench.writer.settle()
    node.stall()
    bench.writer.put("s", write(version=2), clicked_ms=2)
    bench.writer.send()
    bench.writer.put("s", write(version=3), clicked_ms=3)
    bench.writer.delete("s")
    bench.writer.put("s", write(version=4), clicked_ms=4)
    assert not bench.writer.have_arrived(["s"])
    node.wake()
    bench.writer.settle()
    found = bench.stored("s")
    assert found is not None
    assert found["version"] == 4
    assert bench.counts["profiles_written"] == 3
    assert bench.clicked_ms == [2, 3, 4]


def test_a_slot_that_moves_is_followed_to_the_key(cluster: RedisCluster) -> None:
    """`ASK` while it is on its way, `MOVED` once it is there; of two sessions of the slot one is moved already."""
    stays, goes, new = "{x}stays", "{x}goes", "{x}new"
    slot = slot_of(b"{x}")
    source = cluster.owner("{x}")
    target = next(node for node in cluster.primaries if node is not source)
    bench = Bench(cluster)
    for session in (stays, goes):
        bench.writer.put(session, write())
    bench.writer.settle()
    cluster.begin_to_move(slot, source, target)
    source.command("MIGRATE", "127.0.0.1", target.port, key_of(goes), 0, 5_000)
    for session in (stays, goes, new):
        bench.writer.put(session, write(version=2))
    bench.writer.delete("{x}gone")
    bench.writer.settle()
    assert bench.counts["redis_redirections"] == 3
    assert json.loads(source.command("GET", key_of(stays)))["version"] == 2
    cluster.end_to_move(slot, source, target)
    bench.writer.put(goes, write(version=3))
    bench.writer.delete(stays)
    bench.writer.settle()
    assert bench.counts["redis_redirections"] == 5
    assert [json.loads(target.command("GET", key_of(session)))["version"] for session in (goes, new)] == [3, 2]
    assert target.command("EXISTS", key_of(stays)) == 0
    assert bench.counts["redis_retries"] == 0
    bench.writer.put(new, write(version=4))
    bench.writer.settle()
    assert bench.counts["redis_redirections"] == 5
    cluster.begin_to_move(slot, target, source)
    cluster.end_to_move(slot, target, source)


def test_a_primary_that_hangs_holds_up_only_its_own(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    hung, other = cluster.primaries[0], cluster.primaries[1]
    theirs, ours = bench.sessions_of(hung, 5), bench.sessions_of(other, 5)
    for session in (*theirs, *ours):
        bench.writer.put(session, write())
    bench.writer.settle()
    hung.stall()
    try:
        for session in (*theirs, *ours):
            bench.writer.put(session, write(version=2))
        wait_until(lambda: bench.writer.have_arrived(ours))
        assert not bench.writer.have_arrived(theirs[:1])
    finally:
        hung.wake()
    bench.writer.settle()
    assert all((bench.stored(session) or {})["version"] == 2 for session in theirs)


def test_what_was_given_up_is_not_carried_out_after_a_deletion(cluster: RedisCluster) -> None:
    """An old write comes late out of the network: it must not bring back what was erased meanwhile."""
    node = cluster.owner(key_of("s"))
    with holding_proxy(node.node) as proxy:
        bench = Bench(cluster, through={node.node: proxy.node})
        bench.writer.put("s", write())
        bench.writer.settle()
        proxy.keep()
        bench.writer.put("s", write(version=2))
        bench.writer.send()
        proxy.wait_for_kept()
        wait_until(lambda: not bench.writer.have_arrived(["s"]) and bench.counts["redis_errors_away"])
        bench.writer.delete("s")
        bench.writer.settle()
        assert bench.stored("s") is None
        assert proxy.let_go() == b""
        assert bench.stored("s") is None


def test_too_much_held_for_too_long_is_raised_and_nothing_is_lost(cluster: RedisCluster) -> None:
    bench = Bench(cluster, batch=2, block_max_ms=100, most_held=20)
    node = cluster.primaries[0]
    sessions = bench.sessions_of(node, 40)
    bench.writer.put(sessions[0], write())
    bench.writer.settle()
    node.stall()
    try:
        for session in sessions[:20]:
            bench.writer.put(session, write(version=2))
        with pytest.raises(RedisUnavailableError, match="21 profiles wait"):
            bench.writer.put(sessions[20], write(version=2))
    finally:
        node.wake()
    bench.writer._block_max_s = 20.0
    bench.writer.settle()
    assert all((bench.stored(session) or {})["version"] == 2 for session in sessions[:21])


def test_a_full_node_keeps_its_writes_waiting_and_takes_deletions(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    node = cluster.primaries[0]
    sessions = bench.sessions_of(node, 400)
    for session in sessions:
        bench.writer.put(session, write())
    bench.writer.settle()
    node.client.config_set("maxmemory", 1)
    try:
        for session in sessions[1:]:
            bench.writer.put(session, write(version=2))
        bench.writer.delete(sessions[0])
        wait_until(lambda: bench.writer.have_arrived(sessions[:1]))
        assert bench.stored(sessions[0]) is None
        assert bench.counts["redis_errors_full"]
        assert not bench.writer.have_arrived(sessions[1:])
    finally:
        node.client.config_set("maxmemory", 0)
    bench.writer.settle()
    assert all((bench.stored(session) or {})["version"] == 2 for session in sessions[1:])


def test_a_forgotten_script_is_taught_again(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    bench.writer.put("s", write())
    bench.writer.settle()
    for node in cluster.primaries:
        node.client.script_flush()
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert (bench.stored("s") or {})["version"] == 2
    assert bench.counts["redis_errors_no_script"] == 1


def test_a_connection_that_the_node_closed_in_a_quiet_hour_is_no_failure(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    bench.writer.put("s", write())
    bench.writer.settle()
    for node in cluster.primaries:
        node.client.client_kill_filter(_type="normal", skipme=True)
    bench.writer.put("s", write(version=2))
    bench.writer.settle()
    assert (bench.stored("s") or {})["version"] == 2
    assert bench.counts["redis_retries"] == 0


def test_the_jobs_user_needs_no_more_than_the_page_says(cluster: RedisCluster) -> None:
    for node in cluster.nodes:
        node.command("ACL", "SETUSER", "heliotrope", *rights("heliotrope"), *rights("heliotrope", of_cluster=True))
    bench = Bench(cluster, prefix="heliotrope", login=("heliotrope", "SECRET"))
    health = ClusterHealth(bench.writer, "heliotrope", Counters(RuntimeContext(Context())), MemoryBudget(None, 1))
    bench.writer.put("s", write())
    bench.writer.delete("gone")
    bench.writer.settle()
    lane = bench.writer._dispatcher.routing.lane_of(slot_of(b"heliotrope:profile:s"))
    lane.pipeline.drop(has_unanswered=True)  # as after a connection that was given up
    bench.writer.put("s", write(version=2))
    bench.writer.settle()

    def knows() -> bool:
        health.ask(0)
        health._next_ms = 0
        bench.writer.settle()
        return bool(health.epoch and health.used_bytes)

    wait_until(knows)
    lists = PopularWriter(ClusterCalls(bench.nodes), "heliotrope", 60_000, bench._count)
    lists.write([("EU", b'{"region":"EU","updated_at":1}')])
    assert bench.counts == {"profiles_written": 2, "popular_written": 1, "popular_stale": 0}


def test_close_writes_what_is_pending_and_never_raises(cluster: RedisCluster) -> None:
    bench = Bench(cluster)
    bench.writer.put("s", write())
    bench.writer.close()
    assert bench.stored("s") is not None


def test_a_primarys_death_costs_nothing_that_was_not_on_it_alone() -> None:
    with redis_cluster(3) as cluster:
        bench = Bench(cluster)
        victim, other = cluster.primaries[0], cluster.primaries[1]
        theirs, ours = bench.sessions_of(victim, 50), bench.sessions_of(other, 50)
        for session in (*theirs, *ours):
            bench.writer.put(session, write())
        bench.writer.settle()
        victim.kill()
        for session in (*theirs, *ours):
            bench.writer.put(session, write(version=2))
        bench.writer.delete(theirs[0])
        wait_until(lambda: bench.writer.have_arrived(ours))
        bench.writer.settle()
        heir = cluster.owner(key_of(theirs[0]))
        assert heir in cluster.replicas
        assert all((bench.stored(session) or {})["version"] == 2 for session in (*theirs[1:], *ours))
        assert bench.stored(theirs[0]) is None
        assert bench.counts["redis_errors_away"]
