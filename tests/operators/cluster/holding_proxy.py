"""A proxy before one node that keeps what a connection sends, and hands it on long after that was given up."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from operators.redis.cluster.address import Node


class HoldingProxy:
    """Listens on a free port of loopback. Threads of their own hand bytes on, both ways."""

    def __init__(self, node: Node) -> None:
        self._to = node
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._upstreams: list[socket.socket] = []
        self._kept: tuple[socket.socket, bytes] | None = None
        self._has_kept = threading.Event()
        self._keeps = 0
        self.node = Node("127.0.0.1", self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def keep(self) -> None:
        """From now on what those connections send that there are does not arrive."""
        self._keeps = len(self._upstreams)

    def wait_for_kept(self) -> None:
        assert self._has_kept.wait(10)

    def let_go(self) -> bytes:
        """Sends what was kept, on the connection it came for; returns what the node answers, nothing if it has ended that."""
        assert self._kept is not None
        upstream, data = self._kept
        with suppress(OSError):
            upstream.settimeout(5)
            upstream.sendall(data)
            return upstream.recv(65_536)
        return b""

    def close(self) -> None:
        for each in (self._listener, *self._upstreams):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                upstream = socket.create_connection(self._to)
                self._upstreams.append(upstream)
                number = len(self._upstreams)
                threading.Thread(target=self._up, args=(client, upstream, number), daemon=True).start()
                threading.Thread(target=self._down, args=(client, upstream, number), daemon=True).start()

    def _up(self, client: socket.socket, upstream: socket.socket, number: int) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if number <= self._keeps:
                    self._kept = (upstream, data)
                    self._has_kept.set()
                    return
                upstream.sendall(data)

    def _down(self, client: socket.socket, upstream: socket.socket, number: int) -> None:
        with suppress(OSError):
            while number > self._keeps:
                upstream.settimeout(0.05)
                try:
                    data = upstream.recv(65_536)
                except TimeoutError:
                    continue
                if not data:
                    break
                client.sendall(data)


@contextmanager
def holding_proxy(node: Node) -> Iterator[HoldingProxy]:
    """A proxy for one test."""
    proxy = HoldingProxy(node)
    try:
        yield proxy
    finally:
        proxy.close()
