"""Reading from a cluster by threads that wait: connections to each node, and each call bounded in time by itself."""

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisError

from operators.redis.cluster.address import Node
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.topology import Redirection, Topology, slot_of
from serving.reader.answer import Reason
from serving.reader.blocking import BlockingStore
from serving.reader.breaker import CircuitBreaker
from serving.reader.chain import Chain, Outcome, Settled
from serving.reader.cluster.answers import ASKING, found_in, gets
from serving.reader.cluster.nodes import REFRESH_EVERY_S


class _Pool:
    """Maker of connections to one node, as `BlockingStore` wants it."""

    def __init__(self, nodes: ClusterNodes, node: Node) -> None:
        self._nodes, self._node = nodes, node

    def make_connection(self) -> Any:
        """Return a connection that is not connected yet."""
        return self._nodes.make_connection(self._node)


class NodeBlockingStore(BlockingStore):
    """Connections to one node. A key that is elsewhere is found as the word where."""

    def __init__(self, chain: Chain, nodes: ClusterNodes, node: Node, lock: threading.Lock) -> None:
        breaker = CircuitBreaker(chain.settings, chain.clock.monotonic_s, chain.count)
        super().__init__(chain, _Pool(nodes, node), lock, breaker)
        self._node = node

    def _read(self, connection: Any, keys: tuple[str, ...], until_s: float) -> Sequence[Any] | Reason:
        answers = self._answers(connection, gets(keys), len(keys), until_s)
        return answers if isinstance(answers, Reason) else found_in(answers, self._node)

    def _settle(self, key: str, value: Any) -> Settled:
        if isinstance(value, Redirection):
            return value  # type: ignore[return-value]
        return self._chain.settle(key, value)


class AskingStore(NodeBlockingStore):
    """Connections to a node for keys of slots that are on their way there."""

    def _read(self, connection: Any, keys: tuple[str, ...], until_s: float) -> Sequence[Any] | Reason:
        commands = b"".join(ASKING + gets((key,)) for key in keys)
        answers = self._answers(connection, commands, 2 * len(keys), until_s)
        return answers if isinstance(answers, Reason) else found_in(answers[1::2], self._node)


class ClusterBlockingStore:
    """Facade over the stores of all nodes. What a node does not say costs its own keys only. Threads may share it."""

    def __init__(self, chain: Chain, nodes: ClusterNodes, lock: threading.Lock) -> None:
        self._chain = chain
        self._nodes = nodes
        self._lock = lock
        self._stores: dict[tuple[Node, bool], NodeBlockingStore] = {}
        self._topology: Topology | None = None
        self._is_told = threading.Condition()
        self._is_asking = False
        self._next_s = 0.0

    def fetch(self, keys: tuple[str, ...], until_s: float) -> Outcome:
        """Return what the keys hold, or why it is not known by `until_s` what the first one does. Once that is a profile, the
        others have no time beyond what is left."""
        if not self._is_known(until_s):
            return Reason.REDIS_AWAY
        groups: dict[Node | None, list[str]] = defaultdict(list)
        for key in keys:
            groups[self._owner(key)].append(key)
        found: dict[str, Settled] = {}
        for number, (owner, group) in enumerate(groups.items()):
            outcome = self._fetch(owner, tuple(group), until_s)
            if isinstance(outcome, Reason):
                self._refresh()
                if number == 0:
                    return outcome
            else:
                found |= zip(group, outcome, strict=True)
        return [found.get(key) for key in keys]

    def close(self) -> None:
        """End all connections."""
        for store in list(self._stores.values()):
            store.close()

    def _fetch(self, owner: Node | None, keys: tuple[str, ...], until_s: float) -> Sequence[Settled] | Reason:
        if owner is None:
            return Reason.REDIS_AWAY
        outcome = self._store(owner, is_asking=False).fetch(keys, until_s)
        if outcome is None or isinstance(outcome, Reason):
            return outcome or Reason.REDIS_AWAY
        found: list[Settled] = list(outcome)
        for number, one in enumerate(found):
            if isinstance(one, Redirection):
                found[number] = self._follow(keys[number], one, until_s)
        lost = next((one for one in found if isinstance(one, Reason) and one != Reason.NOT_A_PROFILE), None)
        return found if lost is None else lost

    def _follow(self, key: str, redirection: Redirection, until_s: float) -> Settled:
        if redirection.is_moved:
            topology = self._topology
            if topology is not None:
                topology.owners[redirection.slot] = redirection.node
            self._refresh()
        with self._lock:
            self._chain.count("redirected_reads", 1)
        outcome = self._store(redirection.node, not redirection.is_moved).fetch((key,), until_s)
        if outcome is None or isinstance(outcome, Reason):
            return outcome or Reason.REDIS_AWAY
        return Reason.REDIS_ERROR if isinstance(outcome[0], Redirection) else outcome[0]

    def _owner(self, key: str) -> Node | None:
        topology = self._topology
        return None if topology is None else topology.owners[slot_of(key.encode())]

    def _store(self, node: Node, is_asking: bool) -> NodeBlockingStore:
        with self._is_told:
            store = self._stores.get((node, is_asking))
            if store is None:
                kind = AskingStore if is_asking else NodeBlockingStore
                store = self._stores[node, is_asking] = kind(self._chain, self._nodes, node, self._lock)
            return store

    def _is_known(self, until_s: float) -> bool:
        if self._topology is None:
            self._refresh()
            with self._is_told:
                while self._topology is None and self._is_asking:
                    left_s = until_s - self._chain.clock.monotonic_s()
                    if left_s <= 0 or not self._is_told.wait(left_s):
                        break
        return self._topology is not None

    def _refresh(self) -> None:
        """Ask anew who holds what, in a thread, unless that was asked just now."""
        with self._is_told:
            if self._is_asking or time.monotonic() < self._next_s:
                return
            self._is_asking = True
        threading.Thread(target=self._ask, name="profile-reader-topology", daemon=True).start()

    def _ask(self) -> None:
        known = () if self._topology is None else self._topology.nodes
        found: Topology | None = None
        try:
            found = self._nodes.topology(known)
        except RedisError:
            pass
        finally:
            with self._is_told:
                self._topology = found or self._topology
                departed = [place for place in self._stores if found is not None and place[0] not in found.nodes]
                stores = [self._stores.pop(place) for place in departed]
                self._is_asking, self._next_s = False, time.monotonic() + REFRESH_EVERY_S
                self._is_told.notify_all()
            for store in stores:
                store.close()
