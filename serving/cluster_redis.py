"""Commands to keys anywhere in a cluster, for one event loop: what a worker asks besides profiles."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError

from operators.redis.cluster.address import Node
from operators.redis.cluster.topology import redirection_in
from serving.reader.cluster.nodes import AsyncNodes

MOST_ROUNDS = 5
MOST_RUNNING = 64
"""Calls to one node at once, each on a connection of its own."""


class Call(NamedTuple):
    """A command and the key that says where it goes."""

    key: bytes
    words: tuple[Any, ...]


class ClusterRedis:
    """Client with the few methods of redis-py's that workers use. Each answers or fails within the connections' timeout."""

    def __init__(self, nodes: AsyncNodes, timeout_s: float) -> None:
        self._nodes = nodes
        self._timeout_s = timeout_s
        self._idle: dict[Node, list[Any]] = defaultdict(list)
        self._places: dict[Node, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(MOST_RUNNING))

    @property
    def nodes(self) -> AsyncNodes:
        """Who holds what."""
        return self._nodes

    @property
    def connection_pool(self) -> Any:
        """What makes connections to any of the nodes, each time another: a message of a channel goes to all."""
        return self._nodes.pool(random.choice(self._nodes.nodes))  # noqa: S311

    async def has_node(self, node: Node) -> bool:
        """Return whether another node names this one as one of the cluster; without any other there is nobody to ask."""
        try:
            return node in (await self._nodes.ask(node)).nodes
        except RedisError:
            return True

    async def ping(self) -> bool:
        """Return once a node has said who holds what.

        Raises:
            RedisError: none does.
        """
        await self._nodes.ask()
        return True

    async def get(self, key: str) -> Any:
        """Return what a key holds.

        Raises:
            RedisError: its node does not say.
        """
        [answer] = await self.run([Call(key.encode(), ("GET", key))])
        if isinstance(answer, RedisError):
            raise answer
        return answer

    def pipeline(self, transaction: bool = False) -> "Pipeline":
        """Return a list of commands to be sent at once; there are no transactions."""
        return Pipeline(self)

    async def run(self, calls: Sequence[Call]) -> list[Any]:
        """Return the answers in order, or for each what went wrong. Calls of one key are carried out in their order.

        Raises:
            RedisError: no node says who holds what.
        """
        if not await self._nodes.is_known(self._timeout_s):
            raise LostError("no node of the cluster says who holds what")
        answers: list[Any] = [ResponseError("CLUSTERDOWN no node serves the slot")] * len(calls)
        due: dict[tuple[Node, bool], list[int]] = defaultdict(list)
        for number, call in enumerate(calls):
            if (owner := self._nodes.owner(call.key)) is not None:
                due[owner, False].append(number)
        for _ in range(MOST_ROUNDS):
            due = await self._round(due, calls, answers)
            if not due:
                break
        if any(isinstance(answer, RedisError) for answer in answers):
            self._nodes.refresh()
        return answers

    async def aclose(self) -> None:
        """End the connections."""
        for idle in self._idle.values():
            for connection in idle:
                await connection.disconnect(nowait=True)
        self._idle.clear()
        await self._nodes.close()

    async def _round(
        self, due: dict[tuple[Node, bool], list[int]], calls: Sequence[Call], answers: list[Any]
    ) -> dict[tuple[Node, bool], list[int]]:
        """Ask all nodes at once; return what was redirected, by where it goes and whether with `ASKING`."""
        places = list(due)
        found = await asyncio.gather(*(self._ask(*place, [calls[number] for number in due[place]]) for place in places))
        redirected: dict[tuple[Node, bool], list[int]] = defaultdict(list)
        for (node, is_asking), said in zip(places, found, strict=True):
            for number, answer in zip(due[node, is_asking], said, strict=True):
                answers[number] = answer
                redirection = redirection_in(str(answer), node) if isinstance(answer, ResponseError) else None
                if redirection is not None:
                    if redirection.is_moved:
                        self._nodes.moved(redirection.slot, redirection.node)
                    redirected[redirection.node, not redirection.is_moved].append(number)
        return redirected

    async def _ask(self, node: Node, is_asking: bool, calls: Sequence[Call]) -> list[Any]:
        """Return the answers of one node, or its failure for each call. An idle connection may have been closed meanwhile, so a
        first failure on one is tried again on a new one: every call may be carried out twice."""
        async with self._places[node]:
            while self._idle[node]:
                connection = self._idle[node].pop()
                try:
                    return await self._ask_on(connection, node, is_asking, calls)
                except (RedisError, OSError):
                    await connection.disconnect(nowait=True)
            connection = self._nodes.pool(node).make_connection()
            try:
                await connection.connect()
                return await self._ask_on(connection, node, is_asking, calls)
            except (RedisError, OSError) as error:
                await connection.disconnect(nowait=True)
                return [error if isinstance(error, RedisError) else LostError(str(error))] * len(calls)

    async def _ask_on(self, connection: Any, node: Node, is_asking: bool, calls: Sequence[Call]) -> list[Any]:
        words: list[tuple[Any, ...]] = []
        for call in calls:
            words += [("ASKING",), call.words] if is_asking else [call.words]
        await connection.send_packed_command(b"".join(connection.pack_commands(words)), check_health=False)
        said = [await _answer(connection) for _ in words]
        self._idle[node].append(connection)
        return said[1::2] if is_asking else said


class Pipeline:
    """Commands that are sent at once, each to the node of its key."""

    def __init__(self, client: ClusterRedis) -> None:
        self._client = client
        self._calls: list[Call] = []

    def eval(self, script: str, numkeys: int, key: str, *arguments: str) -> None:
        """Add the call of a script of one key."""
        self._calls.append(Call(key.encode(), ("EVAL", script, numkeys, key, *arguments)))

    async def execute(self) -> list[Any]:
        """Return the answers.

        Raises:
            RedisError: the first failure.
        """
        answers = await self._client.run(self._calls)
        problem = next((answer for answer in answers if isinstance(answer, RedisError)), None)
        if problem is not None:
            raise problem
        return answers


async def _answer(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
