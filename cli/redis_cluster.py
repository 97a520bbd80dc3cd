"""A cluster as readers of profiles see it: redis-py's client, with the errors that a single server has."""

import random
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException

from operators.redis.cluster.address import ClusterAddress, Node
from operators.redis.cluster.nodes import ClusterNodes

_RedisCluster: Any = RedisCluster  # its types are not all there


class ClusterClient(_RedisCluster):  # type: ignore[misc]
    """Client that raises what a single server's client raises."""

    def execute_command(self, *words: Any, **options: Any) -> Any:
        """Run a command.

        Raises:
            RedisError: the nodes do not answer, or refuse.
        """
        try:
            return super().execute_command(*words, **options)
        except RedisClusterException as error:
            raise redis.ConnectionError(str(error)) from None

    def mget(self, keys: Any, *more: Any) -> Any:
        """Return the values of keys of any slots, not all of the same moment.

        Raises:
            RedisError: the nodes do not answer, or refuse.
        """
        try:
            return self.mget_nonatomic(keys, *more)
        except RedisClusterException as error:
            raise redis.ConnectionError(str(error)) from None

    def pubsub(self, **options: Any) -> Any:
        """Return a subscription at any of the nodes: a message goes to all of them."""
        self.nodes_manager.initialize()
        return super().pubsub(random.choice(self._alive()), **options)  # noqa: S311

    def primaries(self) -> list[tuple[str, redis.Redis]]:
        """Return each primary's address, and a client of it alone."""
        return [(node.name, self.get_redis_connection(node)) for node in self.get_primaries()]

    def has_replica(self, primary: str) -> bool:
        """Return whether another node could take its place."""
        slots = self.nodes_manager.slots_cache.values()
        return any(len(nodes) > 1 for nodes in slots if nodes[0].name == primary)

    def _alive(self) -> list[Any]:
        """Those of the nodes that answer."""
        found = []
        for node in self.get_nodes():
            try:
                self.get_redis_connection(node).ping()
            except redis.RedisError:
                continue
            found.append(node)
        if not found:
            raise redis.ConnectionError("no node of the cluster answers")
        return found


def open_cluster(address: ClusterAddress, password: str | None, timeout_s: float) -> ClusterClient:
    """Return a client that knows who holds what.

    Raises:
        RedisError: no node says so.
    """
    ClusterNodes(address, password, timeout_s).topology()  # its errors say what is wrong, redis-py's that something is
    first, *others = address.seeds
    login = {} if password is None else {"password": password}
    try:
        return ClusterClient(
            url=address.url_of(first),
            startup_nodes=[_node(node) for node in others],
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            **login,
        )
    except RedisClusterException as error:
        raise redis.ConnectionError(str(error)) from None


def _node(node: Node) -> Any:
    make: Any = ClusterNode
    return make(node.host, node.port)
