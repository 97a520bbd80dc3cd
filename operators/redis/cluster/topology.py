"""Which primary holds which hash slot, and what a node says when it is another."""

from binascii import crc_hqx
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from operators.redis.cluster.address import Node

SLOTS = 16_384


def slot_of(key: bytes) -> int:
    """Return the hash slot of a key: of the part in its first braces, if that is not empty."""
    start = key.find(b"{")
    if start >= 0:
        end = key.find(b"}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key, 0) % SLOTS


class Topology:
    """Owners of the slots as one node knew them.

    Attributes:
        owners: by slot its primary; None where no node serves it.
        primaries: those that own slots, in a fixed order.
        nodes: primaries and replicas.
    """

    def __init__(self, ranges: Sequence[tuple[int, int, Sequence[Node]]]) -> None:
        self.owners: list[Node | None] = [None] * SLOTS
        for first, last, nodes in ranges:
            self.owners[first : last + 1] = [nodes[0]] * (last + 1 - first)
        self.primaries = tuple(sorted({nodes[0] for _, _, nodes in ranges}))
        self.nodes = tuple(sorted({node for _, _, nodes in ranges for node in nodes}))

    @property
    def is_complete(self) -> bool:
        """Whether each slot has a primary."""
        return None not in self.owners


def read_topology(answer: Any, asked: Node) -> Topology:
    """Read the answer to `CLUSTER SLOTS`; a node that does not know its own name goes by the one it was asked by."""
    return Topology([(int(first), int(last), list(_nodes(nodes, asked))) for first, last, *nodes in answer])


def _nodes(found: Sequence[Sequence[Any]], asked: Node) -> Iterator[Node]:
    for host, port, *_ in found:
        name = host.decode() if isinstance(host, bytes) else str(host or "")
        yield Node(name if name not in ("", "?") else asked.host, int(port))


class Redirection(NamedTuple):
    """`MOVED`: the slot is that node's for good. `ASK`: this key's command goes there once, since the slot is on its way."""

    is_moved: bool
    slot: int
    node: Node


def redirection_in(text: str, asked: Node) -> Redirection | None:
    """Read `MOVED 3999 127.0.0.1:6381` and `ASK …`; return None for any other error."""
    word, _, rest = text.partition(" ")
    if word not in ("MOVED", "ASK"):
        return None
    slot, _, address = rest.partition(" ")
    host, _, port = address.rpartition(":")
    if not (slot.isdigit() and port.isdigit() and int(slot) < SLOTS):
        return None
    return Redirection(word == "MOVED", int(slot), Node(host.strip("[]") or asked.host, int(port)))
