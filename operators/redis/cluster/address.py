"""Address of a cluster: `redis+cluster://[user[:password]@]host:port[,host:port…][?options]`, or `rediss+cluster://` with TLS."""

import re
from typing import NamedTuple

SUFFIX = "+cluster"
SCHEMES = (f"redis{SUFFIX}", f"rediss{SUFFIX}")
FORM = "write it as redis+cluster://host:port,host:port, rediss+cluster://… for TLS"
DEFAULT_PORT = 6379


class Node(NamedTuple):
    """Address of a node."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class ClusterAddress(NamedTuple):
    """Nodes to ask first, and what each connection to any node needs: TLS, login and options, as they are in the URL."""

    seeds: tuple[Node, ...]
    scheme: str
    login: str
    options: str

    def url_of(self, node: Node) -> str:
        """Return the URL of one node, for redis-py."""
        return f"{self.scheme}://{self.login}{node}{self.options}"


def is_cluster(url: str) -> bool:
    """Return whether a URL names a cluster."""
    return url.partition("://")[0] in SCHEMES


def cluster_address(url: str) -> ClusterAddress:
    """Read the URL of a cluster.

    Raises:
        ValueError: it is none. The text says what is wrong, and holds nothing of the URL, since that may be a password.
    """
    scheme, _, rest = url.partition("://")
    if scheme not in SCHEMES:
        raise ValueError(FORM)
    head, question, options = rest.partition("?")
    login, at, address = head.rpartition("@")
    address, _, database = address.partition("/")
    if database.strip("0") or re.search(r"(^|&)db=(?!0*(&|$))", options):
        raise ValueError(f"a cluster has database 0 only; {FORM}")
    seeds = tuple(map(_node, address.split(",")))
    return ClusterAddress(seeds, scheme.removesuffix(SUFFIX), login + at, question + options)


def _node(text: str) -> Node:
    bracket, _, rest = text.rpartition("]")
    name, colon, port = rest.partition(":")
    host = bracket.removeprefix("[") if bracket else name
    if not host or (bracket and name) or (colon and not (port.isdigit() and 0 < int(port) < 65_536)):
        raise ValueError(f"each node is a host and a port of 1..65535; {FORM}")
    return Node(host, int(port) if port else DEFAULT_PORT)
