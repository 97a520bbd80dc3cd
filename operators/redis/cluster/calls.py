"""Commands to keys anywhere in a cluster, many at once, waited for; for what is written now and then."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.exceptions import RedisError, ResponseError

from operators.redis.cluster.address import Node
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.topology import Topology, redirection_in, slot_of

MOST_ROUNDS = 5


class Call(NamedTuple):
    """A command and the key that says where it goes."""

    key: bytes
    words: tuple[Any, ...]


class ClusterCalls:
    """Client with a connection to each node that it has something for. Not for several threads at once."""

    def __init__(self, nodes: ClusterNodes) -> None:
        self._nodes = nodes
        self._topology: Topology | None = None
        self._connections: dict[Node, Any] = {}

    def run(self, calls: Sequence[Call]) -> list[Any]:
        """Return the answers in order, or for each what went wrong: a node that is away costs only its own.

        Raises:
            RedisError: no node says who holds what.
        """
        answers: list[Any] = [ResponseError("CLUSTERDOWN no node serves the slot")] * len(calls)
        self._topology = self._topology or self._nodes.topology()
        due = self._by_owner(range(len(calls)), calls)
        for _ in range(MOST_ROUNDS):
            due = self._round(due, calls, answers)
            if not due:
                break
        if any(isinstance(answer, RedisError) for answer in answers):
            self._topology = None  # asked anew with the next call
        return answers

    def close(self) -> None:
        """Give the connections up."""
        for node in tuple(self._connections):
            self._drop(node)

    def _by_owner(self, numbers: Iterable[int], calls: Sequence[Call]) -> dict[tuple[Node, bool], list[int]]:
        assert self._topology is not None
        due: dict[tuple[Node, bool], list[int]] = defaultdict(list)
        for number in numbers:
            owner = self._topology.owners[slot_of(calls[number].key)]
            if owner is not None:
                due[owner, False].append(number)
        return due

    def _round(
        self, due: Mapping[tuple[Node, bool], Sequence[int]], calls: Sequence[Call], answers: list[Any]
    ) -> dict[tuple[Node, bool], list[int]]:
        """Send all, then read all; return what was redirected, by where it goes and whether with `ASKING`."""
        sent = {place: self._send(*place, [calls[number] for number in numbers]) for place, numbers in due.items()}
        redirected: dict[tuple[Node, bool], list[int]] = defaultdict(list)
        for (node, is_asking), numbers in due.items():
            for number in numbers:
                answers[number] = sent[node, is_asking] or self._receive(node, is_asking)
                redirection = redirection_in(str(answers[number]), node) if _is_refused(answers[number]) else None
                if redirection is not None:
                    assert self._topology is not None
                    if redirection.is_moved:
                        self._topology.owners[redirection.slot] = redirection.node
                    redirected[redirection.node, not redirection.is_moved].append(number)
        return redirected

    def _send(self, node: Node, is_asking: bool, calls: Sequence[Call]) -> RedisError | None:
        try:
            connection = self._connections.get(node)
            if connection is None:
                connection = self._connections[node] = self._nodes.connect(node)
            words: list[tuple[Any, ...]] = []
            for call in calls:
                words += [("ASKING",), call.words] if is_asking else [call.words]
            connection.send_packed_command(connection.pack_commands(words), check_health=False)
        except RedisError as error:
            self._drop(node)
            return error
        return None

    def _receive(self, node: Node, is_asking: bool) -> Any:
        connection = self._connections.get(node)
        if connection is None:  # lost with an earlier answer
            return ResponseError("the connection is lost")
        try:
            if is_asking:
                connection.read_response()
            return connection.read_response()
        except ResponseError as error:
            return error
        except RedisError as error:
            self._drop(node)
            return error

    def _drop(self, node: Node) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.disconnect()


def _is_refused(answer: Any) -> bool:
    return isinstance(answer, ResponseError)
