"""A real cluster: three primaries on loopback, and replicas where a test asks for them."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from cli.stack.brokers import redis_executable
from operators.redis.cluster.address import Node
from operators.redis.cluster.topology import SLOTS, slot_of
from tests.server_process import ServerProcess

PRIMARIES = 3
KNOWN = ("myself,master", "myself,slave", "master", "slave")
FAILOVER_MS, PATIENCE_MS = 2_000, 60_000
"""A primary that is silent for so long is replaced by its replica. Without replicas the others would refuse all commands then."""


def wait_until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class ClusterNode(ServerProcess):
    """One server, with a port for clients and one for the other nodes."""

    def __init__(self, folder: Path, port: int, bus_port: int, node_timeout_ms: int) -> None:
        self._folder = folder
        self._node_timeout_ms = node_timeout_ms
        self.port, self.bus_port = port, bus_port
        folder.mkdir()

    @property
    def node(self) -> Node:
        return Node("127.0.0.1", self.port)

    @property
    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, socket_timeout=10)

    def start(self, *options: str) -> None:
        """Starts it, and waits until it answers."""
        own = ("--port", str(self.port), "--cluster-port", str(self.bus_port), "--bind", "127.0.0.1", "--save", "")
        mode = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(self._node_timeout_ms))
        fast = ("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
        command = [str(redis_executable()), *own, *mode, *fast, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self._folder)
        wait_until(self._answers)

    def command(self, *words: Any) -> Any:
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]

    def subscription(self) -> Any:
        return self.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]

    def info(self) -> dict[str, str]:
        found = self.command("CLUSTER INFO")
        text = found if isinstance(found, dict) else dict(line.split(":") for line in found.decode().split())
        return {str(key): str(value) for key, value in text.items()}

    def is_meshed(self) -> bool:
        """Whether it has a link to every node that it knows, and knows what each is."""
        found: dict[str, Any] = self.command("CLUSTER NODES")
        return all(node["connected"] and node["flags"] in KNOWN for node in found.values())

    def memory(self) -> int:
        found: Any = self.client.info("memory")
        return int(found["used_memory"])

    def name(self) -> str:
        return str(self.command("CLUSTER MYID").decode())

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.ConnectionError:
            return False


class RedisCluster:
    """Cluster of which nodes can be stalled, killed and started again, and whose slots can be moved."""

    def __init__(self, folder: Path, replicas: int = 0) -> None:
        self.free_port, *rest = _free_ports(1 + 2 * (PRIMARIES + replicas))  # all at once, so that none comes twice
        ports = iter(rest)
        names = [f"node-{number}" for number in range(PRIMARIES + replicas)]
        timeout_ms = FAILOVER_MS if replicas else PATIENCE_MS
        self.nodes = [ClusterNode(folder / name, next(ports), next(ports), timeout_ms) for name in names]
        self.primaries, self.replicas = self.nodes[:PRIMARIES], self.nodes[PRIMARIES:]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(str(node.node) for node in self.nodes)

    def start(self, *options: str) -> None:
        """Starts all; replica n follows primary n."""
        for node in self.nodes:
            node.start(*options)
        first = self.nodes[0]
        share = SLOTS // PRIMARIES
        for number, node in enumerate(self.primaries):
            last = SLOTS - 1 if number == PRIMARIES - 1 else (number + 1) * share - 1
            node.command("CLUSTER", "ADDSLOTSRANGE", number * share, last)
            node.command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            first.command("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        wait_until(lambda: all(node.info()["cluster_known_nodes"] == str(len(self.nodes)) for node in self.nodes))
        for primary, replica in zip(self.primaries, self.replicas, strict=False):
            replica.command("CLUSTER", "REPLICATE", primary.name())
        self.wait_for_ok()

    def wait_for_ok(self) -> None:
        """Waits until every node that lives serves all slots and, if all live, is linked to all others: a notification goes to
        those only."""
        wait_until(lambda: all(node.info()["cluster_state"] == "ok" for node in self.nodes if node.is_running))
        wait_until(lambda: all(_is_linked(node) for node in self.replicas if node.is_running))
        if all(node.is_running for node in self.nodes):
            wait_until(lambda: all(node.is_meshed() for node in self.nodes))

    def owner(self, key: str) -> ClusterNode:
        """The primary of a key, as the nodes that live have it."""
        slot = slot_of(key.encode())
        for node in self.nodes:
            if node.is_running and node.command("ROLE")[0] == b"master":
                for first, last, (_, port, *_), *_ in node.command("CLUSTER SLOTS"):
                    if first <= slot <= last:
                        return next(each for each in self.nodes if each.port == port)
        raise AssertionError(f"nobody owns slot {slot}")

    def wait_for_owner(self, key: str) -> None:
        """Waits until one that lives holds the key."""

        def is_owned() -> bool:
            try:
                return self.owner(key).is_running
            except AssertionError:
                return False

        wait_until(is_owned)

    def get(self, key: str) -> bytes | None:
        """What a key holds."""
        found: Any = self.owner(key).client.get(key)
        return found if isinstance(found, bytes) else None

    def begin_to_move(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """From here on `source` answers `ASK` for what it does not hold."""
        target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source.name())
        source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target.name())

    def end_to_move(self, slot: int, source: ClusterNode, target: ClusterNode) -> None:
        """Moves the keys, and from here on `source` answers `MOVED`."""
        while keys := source.command("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
        for node in (target, source):
            node.command("CLUSTER", "SETSLOT", slot, "NODE", target.name())
        wait_until(lambda: self.owner_of_slot(slot, source) == target.port)

    def owner_of_slot(self, slot: int, seen_by: ClusterNode) -> int:
        ranges = seen_by.command("CLUSTER SLOTS")
        return next((int(port) for first, last, (_, port, *_), *_ in ranges if first <= slot <= last), 0)

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


def _is_linked(replica: ClusterNode) -> bool:
    info: Any = replica.client.info("replication")
    return bool(info["role"] == "master" or info["master_link_status"] == "up")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def redis_cluster(replicas: int = 0, *options: str) -> Iterator[RedisCluster]:
    """A cluster that is ready."""
    with tempfile.TemporaryDirectory(prefix="heliotrope-cluster-") as folder:
        cluster = RedisCluster(Path(folder), replicas)
        try:
            cluster.start(*options)
            yield cluster
        finally:
            cluster.kill()
