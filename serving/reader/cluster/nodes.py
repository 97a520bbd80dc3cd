"""Who holds what in a cluster, for one event loop, and connections to each node."""

import asyncio
import random
import time
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError, ResponseError

from operators.redis.cluster.address import ClusterAddress, Node
from operators.redis.cluster.topology import Topology, read_topology, slot_of

REFRESH_EVERY_S = 0.25
"""At most so often. While a primary is away it is how late its successor is found."""


class AsyncNodes:
    """Map of a cluster that is asked for behind the readers' back. `options` are redis-py's, for each connection."""

    def __init__(self, address: ClusterAddress, password: str | None, **options: Any) -> None:
        self._address = address
        self._options = options if password is None else {**options, "password": password}
        self._pools: dict[Node, Any] = {}
        self._topology: Topology | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._next_s = 0.0

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All that are known; until one has answered, those of the URL."""
        return self._address.seeds if self._topology is None else self._topology.nodes

    def owner(self, key: bytes) -> Node | None:
        """Return the primary of a key; None if none is known."""
        return None if self._topology is None else self._topology.owners[slot_of(key)]

    def moved(self, slot: int, node: Node) -> None:
        """Take a node's word that a slot is another's; there may be more of that kind."""
        if self._topology is not None:
            self._topology.owners[slot] = node
        self.refresh()

    def pool(self, node: Node) -> Any:
        """Return what makes connections to a node."""
        pool = self._pools.get(node)
        if pool is None:
            pool = redis.ConnectionPool.from_url(self._address.url_of(node), **self._options)
            self._pools[node] = pool
        return pool

    def refresh(self) -> None:
        """Ask anew who holds what, unless that was asked just now."""
        is_running = self._refreshing is not None and not self._refreshing.done()
        if not is_running and time.monotonic() >= self._next_s:
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())

    async def is_known(self, within_s: float) -> bool:
        """Return whether it is known who holds what, after waiting for no longer than that."""
        if self._topology is None:
            self.refresh()
            if self._refreshing is not None:
                await asyncio.wait({self._refreshing}, timeout=max(0.0, within_s))
        return self._topology is not None

    async def ask(self, *besides: Node) -> Topology:
        """Ask nodes, others than those named, until one says who holds what.

        Raises:
            RedisError: none says so.
        """
        problem: RedisError = ResponseError("no node was asked")
        asked = [node for node in {*self.nodes, *self._address.seeds} if node not in besides]
        for node in random.sample(asked, len(asked)):
            try:
                found = await self._ask(node)
            except (RedisError, OSError) as error:
                problem = error if isinstance(error, RedisError) else ResponseError(str(error))
                continue
            if found.primaries:
                return found
        raise problem

    async def close(self) -> None:
        """End what runs, and the connections."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.gather(self._refreshing, return_exceptions=True)
        for pool in self._pools.values():
            await pool.disconnect()
        self._pools.clear()

    async def _refresh(self) -> None:
        try:
            self._topology = await self.ask()
        except RedisError:
            return
        finally:
            self._next_s = time.monotonic() + REFRESH_EVERY_S
        for node in set(self._pools) - {*self._topology.nodes, *self._address.seeds}:
            await self._pools.pop(node).disconnect()

    async def _ask(self, node: Node) -> Topology:
        connection = self.pool(node).make_connection()
        try:
            await connection.connect()
            await connection.send_command("CLUSTER", "SLOTS")
            return read_topology(await connection.read_response(), node)
        finally:
            await connection.disconnect(nowait=True)
