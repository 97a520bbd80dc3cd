"""What the command's verbs see of a real cluster, also while one of its primaries dies."""

import gc
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from redis.client import PubSub

from cli import rebuild
from cli.doctoring.redis import look_at_redis
from cli.endpoints import Endpoints
from cli.errors import UserError
from cli.options import Target
from cli.profile.verb import _states
from cli.redis_client import connect
from cli.redis_cluster import ClusterClient
from tests.operators.test_redis_rights import rights
from tests.redis_cluster import RedisCluster, redis_cluster
from tests.redis_server import redis_server
from tests.state.shop import settings

SESSIONS = [f"s{number}" for number in range(12)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    """Three primaries with replicas, and a profile of each session."""
    with redis_cluster(3) as running:
        client: Any = connect(running.url, None, 5)
        for session in SESSIONS:
            client.set(f"heliotrope:profile:{session}", json.dumps({"session_id": session}))
        yield running
        client.close()


def target(url: str) -> Target:
    return Target(settings(redis={"url": url}), Endpoints("localhost:1", url, ""))


def test_profiles_of_any_slot_are_read(cluster: RedisCluster) -> None:
    client: Any = connect(cluster.url, None, 5)
    keys = [f"heliotrope:profile:{session}" for session in SESSIONS]
    assert [json.loads(raw)["session_id"] for raw in client.mget(keys)] == SESSIONS
    client.close()


def test_the_users_of_the_page_may_do_what_they_must(cluster: RedisCluster) -> None:
    for node in cluster.nodes:
        for name in ("heliotrope", "shop"):
            node.command("ACL", "SETUSER", name, *rights(name), *rights(name, of_cluster=True))
    for name in ("heliotrope", "shop"):
        client: Any = connect(cluster.url.replace("://", f"://{name}@"), "SECRET", 5)
        assert client.get("heliotrope:profile:s1")
        client.close()
    client = connect(cluster.url.replace("://", "://shop@"), "SECRET", 5)
    listener = client.pubsub()
    listener.subscribe("heliotrope:profile-updated")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    client.close()


def test_a_server_of_another_mode_than_the_url_says_is_refused(cluster: RedisCluster) -> None:
    seed = cluster.url.removeprefix("redis+cluster://").partition(",")[0]
    with pytest.raises(UserError, match=r"is in cluster mode, and the URL does not say so: write redis\+cluster://"):
        connect(f"redis://{seed}/0", None, 5)
    with redis_server() as single:
        single.start("--port", str(cluster.free_port))
        with pytest.raises(UserError, match=r"is not in cluster mode, as the URL says: write redis://host:port"):
            connect(f"redis+cluster://127.0.0.1:{cluster.free_port}", None, 5)


def test_a_wrong_password_is_called_so(cluster: RedisCluster) -> None:
    with pytest.raises(UserError, match="refuses the login") as refused:
        connect(cluster.url.replace("://", "://nobody@"), "s3cret", 5)
    assert "s3cret" not in str(refused.value)


def test_doctor_looks_at_each_primary(cluster: RedisCluster) -> None:
    findings = look_at_redis(target(cluster.url))
    assert [finding.about for finding in findings if finding.found.startswith("version")] == [
        f"Redis {node.node}" for node in cluster.primaries
    ]
    assert not [finding for finding in findings if finding.level == "error"]


def test_rebuild_asks_by_the_marker_and_reads_the_reports(cluster: RedisCluster) -> None:
    client: Any = connect(cluster.url, None, 5)
    client.hset("heliotrope:rebuild", "0", json.dumps({"epoch": "m x", "sessions": 3, "written": 2, "is_done": True}))
    [report] = rebuild._reports(client, "heliotrope", "m")
    assert (report.sessions, report.written) == (3, 2)
    client.close()


def test_a_watch_moves_on_when_the_node_it_listens_to_dies(cluster: RedisCluster) -> None:
    client = connect(cluster.url, None, 5)
    assert isinstance(client, ClusterClient)
    states = _states(client, target(cluster.url), SESSIONS[0])
    assert next(states) is not None
    [node] = [each for each in cluster.nodes if each.command("PUBSUB", "NUMSUB", "heliotrope:profile-updated")[1]]
    node.kill()
    for raw in islice(states, 3):
        assert raw is not None
    assert len(_listening()) == 1
    states.close()
    assert _listening() == []
    client.close()


def _listening() -> list[PubSub]:
    """Subscriptions with a connection: one that is left to the collector may take its pool's lock in the midst of another call."""
    return [each for each in gc.get_objects() if isinstance(each, PubSub) and each.connection is not None]
