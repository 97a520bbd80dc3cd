"""Lanes by slot: who holds what, asked anew behind the caller's back when something says that it has changed."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future

from redis.exceptions import RedisError

from operators.redis.cluster.address import Node
from operators.redis.cluster.lane import Lane
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.pipeline import NodePipeline
from operators.redis.cluster.topology import Topology

REFRESH_EVERY_S = 0.25
"""At most so often. While a primary is away it is how late its successor is found."""


class Routing:
    """Lanes of a cluster. Until the first answer, and for slots that nobody serves, there is one lane to nowhere.

    Attributes:
        nowhere: its lane, which sends nothing.
        problem: why it is not known who holds what; None once it is.
    """

    def __init__(self, nodes: ClusterNodes, script: str, news: threading.Event) -> None:
        self._nodes = nodes
        self._script = script
        self._news = news
        self._lanes: dict[Node, Lane] = {}
        self._topology = Topology([])
        self._refreshing: Future[Topology] | None = None
        self._is_due = True
        self._next_s = 0.0
        self.nowhere = self._new_lane(Node("", 0))
        self.problem: RedisError | None = None

    @property
    def is_known(self) -> bool:
        """Whether a node has said who holds what."""
        return bool(self._topology.primaries)

    def lane_of(self, slot: int) -> Lane:
        """Return the lane to the slot's primary."""
        owner = self._topology.owners[slot]
        return self.nowhere if owner is None else self.lane_to(owner)

    def lane_to(self, node: Node) -> Lane:
        """Return the lane to a node."""
        lane = self._lanes.get(node)
        if lane is None:
            lane = self._lanes[node] = self._new_lane(node)
        return lane

    def lanes(self) -> Iterator[Lane]:
        """Yield each lane to a node."""
        return iter(tuple(self._lanes.values()))

    def primaries(self) -> list[Lane]:
        """Return the lanes to those who hold slots."""
        return list(map(self.lane_to, self._topology.primaries))

    def moved(self, slot: int, node: Node) -> None:
        """Take a node's word that a slot is another's; there may be more of that kind."""
        self._topology.owners[slot] = node
        self.refresh()

    def refresh(self) -> None:
        """Ask anew who holds what, soon."""
        self._is_due = True

    def poll(self) -> bool:
        """Begin to ask if that is due; return whether an answer has come."""
        if self._refreshing is not None and self._refreshing.done():
            refreshing, self._refreshing = self._refreshing, None
            return self._adopt(refreshing)
        if self._is_due and self._refreshing is None and time.monotonic() >= self._next_s:
            self._is_due, self._refreshing = False, Future()
            threading.Thread(target=self._ask, args=(self._refreshing,), name="redis topology", daemon=True).start()
        return False

    def forget_departed(self) -> None:
        """Give up connections to nodes that hold nothing, and to which nothing is on its way."""
        needed = set(self._topology.owners)
        for node, lane in tuple(self._lanes.items()):
            if node not in needed and lane.is_idle and not lane.in_flight and not lane.pipeline.must_end_others:
                lane.pipeline.drop(has_unanswered=False)
                del self._lanes[node]

    def _adopt(self, refreshing: "Future[Topology]") -> bool:
        self._next_s = time.monotonic() + REFRESH_EVERY_S
        try:
            topology = refreshing.result()
        except RedisError as error:
            self.problem, self._is_due = error, True
            return False
        self._is_due = self._is_due or not topology.is_complete
        self.problem, self._topology = None, topology
        return True

    def _ask(self, refreshing: "Future[Topology]") -> None:
        try:
            refreshing.set_result(self._nodes.topology(self._topology.nodes))
        except Exception as error:
            refreshing.set_exception(error if isinstance(error, RedisError) else RedisError(str(error)))
        self._news.set()

    def _new_lane(self, node: Node) -> Lane:
        return Lane(NodePipeline(node, self._nodes, self._script, self._news))
