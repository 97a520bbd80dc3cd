"""The whole job before a real Redis Cluster under traffic: a primary dies, a slot moves, and no profile lacks an event."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from cli.main import app
from cli.stack import control
from cli.stack.flink_rest import FlinkRest
from cli.stack.record import StackRecord
from jobs.settings import load_settings
from operators.redis.cluster.topology import slot_of
from tests.integration.conftest import connectors  # noqa: F401 (a fixture)
from tests.integration.shop import now_ms
from tests.redis_cluster import RedisCluster, redis_cluster, wait_until

SETTINGS = ("kafka.partitions=2", "local.start_timeout=10 min", "flink.checkpoint_interval=1 s", "bandit.seed=1")
SESSIONS = [f"visitor-{number}" for number in range(120)]
PATIENCE_S = 240.0

pytestmark = pytest.mark.faults


class Shop:
    """Traffic, and what stands in the cluster of it."""

    def __init__(self, record: StackRecord, cluster: RedisCluster) -> None:
        self.record = record
        self.cluster = cluster
        self.sent = dict.fromkeys(SESSIONS, 0)
        self._producer = KafkaProducer(bootstrap_servers=record.kafka)

    def product(self, product_id: str) -> None:
        value = json.dumps({"product_id": product_id, "category_id": "kitchen"}).encode()
        self._producer.send("products", key=product_id.encode(), value=value)
        self._producer.flush()

    def click(self, sessions: list[str]) -> None:
        for session in sessions:
            self.sent[session] += 1
            fields = {"event_id": f"{session}-{self.sent[session]}", "product_id": "kettle", "category_id": "kitchen"}
            event = {"session_id": session, "event_type": "product_view", "timestamp": now_ms(), **fields}
            self._producer.send("user_interactions", key=session.encode(), value=json.dumps(event).encode())
        self._producer.flush()

    def wait_for(self, sessions: list[str]) -> None:
        """Waits until each profile knows all events that were sent."""
        wait_until(
            lambda: {name: self.version(name) for name in sessions} == {n: self.sent[n] for n in sessions}, PATIENCE_S
        )

    def version(self, session: str) -> int:
        try:
            raw = self.cluster.get(key_of(session))
        except (OSError, AssertionError):
            return -1
        return 0 if raw is None else int(json.loads(raw)["version"])


def key_of(session: str) -> str:
    return f"heliotrope:profile:{session}"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster(3) as running:
        yield running


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redis-cluster") / "stack"


@pytest.fixture(scope="module")
def shop(cluster: RedisCluster, workdir: Path, connectors: None) -> Iterator[Shop]:  # noqa: F811
    settings = load_settings(None, [*SETTINGS, f"redis.url={cluster.url}"], environ={})
    try:
        shop = Shop(control.start_stack(settings, workdir), cluster)
        shop.product("kettle")
        yield shop
    finally:
        control.stop_stack(workdir)


def test_a_primary_dies_and_a_slot_moves_under_traffic(shop: Shop, cluster: RedisCluster, workdir: Path) -> None:
    shop.click(SESSIONS)
    shop.wait_for(SESSIONS)
    vertices: Any = FlinkRest(shop.record.flink)
    victim = cluster.owner(key_of(SESSIONS[0]))
    others = [session for session in SESSIONS if cluster.owner(key_of(session)) is not victim]
    victim.kill()
    shop.click(SESSIONS)
    shop.wait_for(others)
    shop.click(SESSIONS)
    cluster.wait_for_owner(key_of(SESSIONS[0]))
    shop.wait_for(SESSIONS)

    mover = others[0]
    slot, source = slot_of(key_of(mover).encode()), cluster.owner(key_of(mover))
    target = next(node for node in cluster.primaries if node not in (source, victim))
    cluster.begin_to_move(slot, source, target)
    source.command("MIGRATE", "127.0.0.1", target.port, key_of(mover), 0, 5_000)
    shop.click(SESSIONS)
    shop.wait_for([session for session in SESSIONS if slot_of(key_of(session).encode()) != slot])
    cluster.end_to_move(slot, source, target)
    shop.wait_for(SESSIONS)
    shop.click(SESSIONS)
    shop.wait_for(SESSIONS)
    assert vertices.is_fully_running(shop.record.job.id)
    assert control.running(workdir).processes["taskmanager-1"].restarts == 0  # type: ignore[union-attr]


def test_the_verbs_read_the_cluster(shop: Shop, workdir: Path) -> None:
    shown = CliRunner().invoke(app, ["profile", SESSIONS[1], "--json", "--workdir", str(workdir)])
    assert json.loads(shown.output)["version"] == shop.sent[SESSIONS[1]]
    rebuilt = CliRunner().invoke(app, ["rebuild", "--json", "--workdir", str(workdir)])
    assert json.loads(rebuilt.output)["profiles"] == len(SESSIONS)
