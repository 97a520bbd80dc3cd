"""Reads where sessions stand in a cluster: from each node on a connection of its own, all nodes at once."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from hiredis import HiredisError
from redis.exceptions import RedisError

from operators.redis.cluster.address import Node
from serving.cluster_redis import Call, ClusterRedis
from serving.push.position import Position, position_of
from serving.push.positions import LAST_BYTE, is_refusal
from serving.push.wire import Wire, packed

PATIENCE_S = 1.0
"""A node that is silent for so long is given up: what the others say waits for it."""
REST_S = 1.0
"""A node that was given up is left alone for so long."""


class ClusterPositionReader:
    """Reader of positions, as `PositionReader`. One request at a time."""

    def __init__(self, client: ClusterRedis, prefix: str, timeout_s: float) -> None:
        self._client = client
        self._key = f"{prefix}:profile:"
        self._timeout_s = min(timeout_s, PATIENCE_S)
        self._wires: dict[Node, Wire] = {}
        self._resting: dict[Node, float] = {}

    async def read(self, session_ids: Sequence[str]) -> Sequence[Position | None]:
        """Return the sessions' positions in their order; None for those of a node that does not say.

        Raises:
            TimeoutError: no node says who holds what.
        """
        if not await self._client.nodes.is_known(self._timeout_s):
            raise TimeoutError("no node of the cluster says who holds what")
        keys = [(self._key + session_id).encode() for session_id in session_ids]
        groups: dict[Node | None, list[int]] = defaultdict(list)
        for number, key in enumerate(keys):
            groups[self._client.nodes.owner(key)].append(number)
        heads: list[Any] = [RedisError("unknown")] * len(keys)
        found = await asyncio.gather(
            *(self._heads(node, [keys[number] for number in group]) for node, group in groups.items())
        )
        for group, said in zip(groups.values(), found, strict=True):
            for number, head in zip(group, said, strict=True):
                heads[number] = head
        await self._follow(keys, heads)
        return [None if is_refusal(head) else position_of(head) for head in heads]

    async def close(self) -> None:
        """Give the connections up."""
        for node in tuple(self._wires):
            await self._drop(node)

    async def _heads(self, node: Node | None, keys: list[bytes]) -> list[Any]:
        """Return the first bytes of profiles, or what went wrong for each."""
        if node is None or time.monotonic() < self._resting.get(node, 0.0):
            self._client.nodes.refresh()
            return [RedisError("no node serves the slot")] * len(keys)
        try:
            wire = self._wires.get(node)
            if wire is None:
                wire = Wire(self._client.nodes.pool(node))
                async with asyncio.timeout(self._timeout_s):
                    await wire.open()
                self._wires[node] = wire
            wire.send(*(packed(b"GETRANGE", key, b"0", LAST_BYTE) for key in keys))
            heads: list[Any] = []
            while len(heads) < len(keys):
                heads += await wire.replies(self._timeout_s)
            return heads
        except (RedisError, OSError, HiredisError) as error:  # a timeout is an OSError
            await self._drop(node)
            self._client.nodes.refresh()
            self._resting = {each: end for each, end in self._resting.items() if each in self._client.nodes.nodes}
            self._resting[node] = time.monotonic() + REST_S
            return [error] * len(keys)
        except BaseException:  # what is still to come on this connection would answer the next question
            await self._drop(node)
            raise

    async def _follow(self, keys: list[bytes], heads: list[Any]) -> None:
        """Read those anew that are at another node, as while a slot moves."""
        elsewhere = [number for number, head in enumerate(heads) if str(head).startswith(("MOVED ", "ASK "))]
        if elsewhere:
            calls = [Call(keys[number], ("GETRANGE", keys[number], 0, LAST_BYTE)) for number in elsewhere]
            for number, head in zip(elsewhere, await self._client.run(calls), strict=True):
                heads[number] = head
            self._client.nodes.refresh()

    async def _drop(self, node: Node) -> None:
        wire = self._wires.pop(node, None)
        if wire is not None:
            await wire.close()
