"""Connections to the nodes of a cluster, and the question which of them holds what."""

import random
from typing import Any

import redis
from redis.exceptions import RedisError, ResponseError

from operators.redis.cluster.address import ClusterAddress, Node
from operators.redis.cluster.topology import Topology, read_topology


class ClusterNodes:
    """Maker of connections, with further `options` of redis-py's. It keeps none, so threads may share it."""

    def __init__(self, address: ClusterAddress, password: str | None, timeout_s: float, **options: Any) -> None:
        self._address = address
        login = {} if password is None else {"password": password}
        self._options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, **login, **options}

    def connect(self, node: Node) -> Any:
        """Return a new connection of redis-py's own, logged in.

        Raises:
            RedisError: the node does not answer, or refuses the login.
        """
        connection = self.make_connection(node)
        connection.connect()
        return connection

    def make_connection(self, node: Node) -> Any:
        """Return a connection that is not connected yet."""
        return self._pool(node).make_connection()

    def topology(self, known: tuple[Node, ...] = ()) -> Topology:
        """Ask nodes until one says who holds what: those that are known, then those of the URL, each group in any order, so that
        one that hangs is not always the first.

        Raises:
            RedisError: none says so.
        """
        problem: RedisError = ResponseError("no node was asked")
        fallback: Topology | None = None
        for node in (*_shuffled(known), *_shuffled(tuple(set(self._address.seeds) - set(known)))):
            try:
                found = self.ask_topology(node)
            except RedisError as error:
                problem = error
                continue
            if found.is_complete:
                return found
            fallback = fallback or found
        if fallback is None or not fallback.primaries:
            raise problem if fallback is None else ResponseError("CLUSTERDOWN no slots are assigned")
        return fallback

    def ask_topology(self, node: Node) -> Topology:
        """Return who holds what, as that node sees it.

        Raises:
            RedisError: it does not say so, as when it is not in cluster mode.
        """
        connection = self.connect(node)
        try:
            connection.send_command("CLUSTER", "SLOTS")
            return read_topology(connection.read_response(), node)
        finally:
            connection.disconnect()

    def _pool(self, node: Node) -> Any:
        return redis.ConnectionPool.from_url(self._address.url_of(node), **self._options)


def _shuffled(nodes: tuple[Node, ...]) -> list[Node]:
    return random.sample(nodes, len(nodes))
