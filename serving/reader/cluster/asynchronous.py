"""Reading from a cluster for many at once: the keys of one tick go to each node in one piece."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from hiredis import ProtocolError
from redis.exceptions import RedisError

from operators.redis.cluster.address import Node
from operators.redis.cluster.topology import Redirection
from serving.reader.answer import Reason
from serving.reader.batching import Batch, BatchingStore
from serving.reader.breaker import CircuitBreaker
from serving.reader.chain import Chain, Outcome, Settled
from serving.reader.cluster.answers import found_in, gets
from serving.reader.cluster.nodes import AsyncNodes
from serving.reader.stored import StoredProfile

MOST_ASKING = 16
"""Keys of slots on their way that are read at once, each on a connection of its own."""


class NodeStore(BatchingStore):
    """Connection to one node. A key that is elsewhere is found as the word where."""

    def __init__(self, chain: Chain, node: Node, pool: Any) -> None:
        super().__init__(chain, pool, CircuitBreaker(chain.settings, chain.clock.monotonic_s, chain.count))
        self._node = node
        self._answers: list[Any] = []

    @property
    def is_slow(self) -> bool:
        """Whether it does answer, only late."""
        return self._breaker.is_slow

    def _command(self, keys: Iterable[str]) -> bytes:
        return gets(keys)

    def _values(self, batch: Batch, answer: Any) -> Sequence[Any] | Reason | None:
        if isinstance(answer, ProtocolError):
            return Reason.REDIS_ERROR
        self._answers.append(answer)
        if len(self._answers) < len(batch.keys):
            return None
        answers, self._answers = self._answers, []
        return found_in(answers, self._node)

    def _settle(self, batch: Batch, values: Sequence[Any]) -> None:
        for key, found in zip(batch.keys, values, strict=True):
            is_elsewhere = isinstance(found, Redirection)
            batch.found[key] = found if is_elsewhere else self._chain.settle(key, found)

    def lose(self, arrivals: Any = None) -> None:
        """Give the connection up, and with it the answers that are still to come."""
        if arrivals is None or arrivals is self._arrivals:
            self._answers = []
        super().lose(arrivals)


class ClusterBatchingStore:
    """Facade over the stores of all nodes. What a node does not say costs its own keys only."""

    def __init__(self, chain: Chain, nodes: AsyncNodes) -> None:
        self._chain = chain
        self._nodes = nodes
        self._stores: dict[Node, NodeStore] = {}
        self._asking = asyncio.Semaphore(MOST_ASKING)
        self._rest: set[asyncio.Task[Sequence[Settled] | Reason]] = set()

    @property
    def has_open_breaker(self) -> bool:
        """Whether a node is left alone."""
        return any(store.has_open_breaker for store in self._stores.values())

    async def fetch(self, keys: tuple[str, ...], until_s: float) -> Outcome:
        """Return what the keys hold, or why it is not known by `until_s` what the first one does. If that is a profile, nobody
        waits for the others."""
        if not await self._nodes.is_known(until_s - self._chain.clock.monotonic_s()):
            return Reason.REDIS_AWAY
        groups = self._by_owner(keys)
        first, *others = groups.values()
        tasks = [asyncio.get_running_loop().create_task(self._fetch(group, until_s)) for group in others]
        self._rest.update(tasks)
        for task in tasks:
            task.add_done_callback(self._rest.discard)
        outcome = await self._fetch(first, until_s)
        if tasks and (isinstance(outcome, Reason) or not isinstance(outcome[0], StoredProfile)):
            await asyncio.wait(tasks)
        if isinstance(outcome, Reason):
            return outcome
        found = dict(zip(first, outcome, strict=True))
        for group, task in zip(others, tasks, strict=True):
            if task.done() and not isinstance(rest := task.result(), Reason):
                found |= zip(group, rest, strict=True)
        return [found.get(key) for key in keys]

    def read_behind(self, keys: Iterable[str]) -> None:
        """Read keys for which nobody waits."""
        for group in self._by_owner(tuple(keys)).values():
            store = self._store(group[0])
            if store is not None:
                store.read_behind(group)

    async def close(self) -> None:
        """End what runs; who waits gets an answer from elsewhere."""
        stores = list(self._stores.values())
        self._stores.clear()
        for store in stores:
            await store.close()
        await asyncio.gather(*self._rest, return_exceptions=True)
        await self._nodes.close()

    def _by_owner(self, keys: tuple[str, ...]) -> dict[Node | None, list[str]]:
        groups: dict[Node | None, list[str]] = defaultdict(list)
        for key in keys:
            groups[self._nodes.owner(key.encode())].append(key)
        return groups

    def _store(self, key: str) -> NodeStore | None:
        owner = self._nodes.owner(key.encode())
        return None if owner is None else self._store_at(owner)

    def _store_at(self, node: Node) -> NodeStore:
        store = self._stores.get(node)
        if store is None:
            store = self._stores[node] = NodeStore(self._chain, node, self._nodes.pool(node))
            self._close_departed({*self._nodes.nodes, node})
        return store

    def _close_departed(self, known: set[Node]) -> None:
        for node in self._stores.keys() - known:
            store = self._stores.pop(node)
            closing = asyncio.get_running_loop().create_task(_closed(store))
            self._rest.add(closing)
            closing.add_done_callback(self._rest.discard)

    async def _fetch(self, keys: list[str], until_s: float) -> Sequence[Settled] | Reason:
        """Read keys of one node, and follow those that are elsewhere."""
        store = self._store(keys[0])
        if store is None:
            self._nodes.refresh()
            return Reason.REDIS_AWAY
        outcome = await store.fetch(tuple(keys), until_s)
        if outcome is None or isinstance(outcome, Reason):
            self._nodes.refresh()
            if outcome == Reason.BREAKER_OPEN and store.is_slow:
                store.read_behind(keys)
                return Reason.REDIS_SLOW
            return outcome or Reason.REDIS_AWAY
        found: list[Settled] = list(outcome)
        for number, one in enumerate(found):
            if isinstance(one, Redirection):
                found[number] = await self._follow(keys[number], one, until_s)
        lost = next((one for one in found if isinstance(one, Reason) and one != Reason.NOT_A_PROFILE), None)
        return found if lost is None else lost

    async def _follow(self, key: str, redirection: Redirection, until_s: float) -> Settled:
        self._chain.count("redirected_reads", 1)
        if not redirection.is_moved:
            return await self._ask(key, redirection.node, until_s)
        self._nodes.moved(redirection.slot, redirection.node)
        outcome = await self._store_at(redirection.node).fetch((key,), until_s)
        if outcome is None or isinstance(outcome, Reason):
            return outcome or Reason.REDIS_AWAY
        return Reason.REDIS_ERROR if isinstance(outcome[0], Redirection) else outcome[0]

    async def _ask(self, key: str, node: Node, until_s: float) -> Settled:
        """Read a key of a slot that is on its way to that node."""
        if self._asking.locked():
            return Reason.OVERLOADED
        connection = self._nodes.pool(node).make_connection()
        try:
            async with self._asking, asyncio.timeout(until_s - self._chain.clock.monotonic_s()):
                await connection.connect()
                await connection.send_command("ASKING")
                await connection.read_response()
                await connection.send_command("GET", key)
                return self._chain.settle(key, await connection.read_response())
        except TimeoutError:
            return Reason.REDIS_SLOW
        except (RedisError, OSError):
            return Reason.REDIS_ERROR
        finally:
            await connection.disconnect(nowait=True)


async def _closed(store: NodeStore) -> Reason:
    await store.close()
    return Reason.REDIS_AWAY
