"""A writer on a real cluster, with what it counts."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from operators.redis.cluster.address import Node, cluster_address
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.profiles import ClusterProfileWriter
from operators.redis.cluster.topology import slot_of
from state.profile.effect import Write
from tests.redis_cluster import ClusterNode, RedisCluster

GIVE_UP_MS = 500


def write(generation: int = 1, version: int = 1, updated_at: int = 1) -> Write:
    numbers = {"schema": 1, "generation": generation, "version": version, "updated_at": updated_at}
    return Write(generation, version, updated_at, json.dumps(numbers, separators=(",", ":")).encode())


def key_of(session_id: str) -> str:
    return f"shop:profile:{session_id}"


class NodesThrough(ClusterNodes):
    """Connections, some of them through a proxy."""

    def __init__(self, through: Mapping[Node, Node], url: str, password: str | None) -> None:
        super().__init__(cluster_address(url), password, GIVE_UP_MS / 1_000)
        self._through = through

    def connect(self, node: Node) -> Any:
        return super().connect(self._through.get(node, node))


class Bench:
    """The writer, and what it counts and acknowledges."""

    def __init__(
        self,
        cluster: RedisCluster,
        batch: int = 64,
        block_max_ms: int = 20_000,
        most_held: int = 8_192,
        through: Mapping[Node, Node] | None = None,
        prefix: str = "shop",
        login: tuple[str, str] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.clicked_ms: list[int] = []
        self.cluster = cluster
        url, password = cluster.url, None
        if login is not None:
            url, password = url.replace("://", f"://{login[0]}@"), login[1]
        self.nodes = NodesThrough(through or {}, url, password)
        self.writer = ClusterProfileWriter(
            self.nodes,
            prefix,
            3_600_000,
            batch,
            block_max_ms,
            GIVE_UP_MS,
            self._count,
            self.clicked_ms.extend,
            most_held,
        )

    def _count(self, name: str, by: int) -> None:
        self.counts[name] += by

    def stored(self, session_id: str) -> dict[str, Any] | None:
        found = self.cluster.get(key_of(session_id))
        return None if found is None else dict(json.loads(found))

    def sessions_of(self, node: ClusterNode, count: int, name: str = "s") -> list[str]:
        """Session ids whose profiles that node holds."""
        owned = (f"{name}{number}" for number in range(100_000))
        ranges = node.command("CLUSTER SLOTS")
        mine = {
            slot for first, last, (_, port, *_), *_ in ranges if port == node.port for slot in range(first, last + 1)
        }
        return [session for session in owned if slot_of(key_of(session).encode()) in mine][:count]
