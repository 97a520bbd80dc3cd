"""A connection to one node of a cluster on which commands go out without waiting. It is made by a thread of its own: a node that
is away holds up nobody."""

import select
import ssl
import threading
from concurrent.futures import Future
from typing import Any, NamedTuple

import hiredis
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import RedisError, ResponseError

from operators.redis.cluster.address import Node
from operators.redis.cluster.nodes import ClusterNodes

READ_BYTES = 65_536
MORE = False
"""What `hiredis.Reader.gets` returns when the answer is not complete yet."""


class _Client(NamedTuple):
    """A connection as its node names it."""

    number: bytes
    address: bytes


class _Opened(NamedTuple):
    """What a thread that connects hands over."""

    connection: Any
    client: _Client


class NodePipeline:
    """Connection of redis-py's own, so TLS, login and timeouts are as in the URL.

    A node may yet carry out what it received on a connection that was given up, after the same was sent again on the next one:
    an old write would undo a deletion. So the next connection ends the one before (`CLIENT KILL`) ahead of all else: what the
    node has not begun by then it never does. A key, as a single server has it, would have to be in every slot, and while a slot
    moves a script of two keys is refused where one of them does not exist.
    """

    def __init__(self, node: Node, nodes: ClusterNodes, script: str, news: threading.Event) -> None:
        self.node = node
        self._nodes = nodes
        self._script = script
        self._news = news
        self._opened: _Opened | None = None
        self._opening: Future[_Opened] | None = None
        self._replies = hiredis.Reader()
        self._must_end: list[_Client] = []

    @property
    def is_open(self) -> bool:
        """Whether commands can be sent."""
        return self._opened is not None

    @property
    def must_end_others(self) -> bool:
        """Whether a connection that was given up may yet have something carried out."""
        return bool(self._must_end)

    def open(self) -> bool:
        """Return whether commands can be sent. If not, connecting has begun, and `news` is set at its end.

        Raises:
            RedisError: connecting failed; the next call begins anew.
        """
        if self._opened is None and self._opening is None:
            self._opening = Future()
            threading.Thread(target=self._open, args=(self._opening,), name=f"redis {self.node}", daemon=True).start()
        if self._opening is not None and self._opening.done():
            opening, self._opening = self._opening, None
            self._opened = opening.result()
            self._replies = hiredis.Reader()
            self._must_end.clear()
        return self._opened is not None

    def is_stale(self) -> bool:
        """Return whether the node has closed a connection on which nothing is asked, as it does after its own `timeout`."""
        polling = select.poll()
        polling.register(self.fileno(), select.POLLIN)
        return bool(polling.poll(0))

    def fileno(self) -> int:
        """Return the descriptor to wait at for replies; -1 while nothing is connected."""
        return -1 if self._opened is None else int(self._opened.connection._sock.fileno())

    def send(self, commands: bytes) -> None:
        """Send packed commands; wait only while the socket's buffer is full."""
        assert self._opened is not None
        self._opened.connection.send_packed_command([commands], check_health=False)

    def replies(self) -> list[Any]:
        """Return the replies that have come, without waiting; an error of Redis is one of them.

        Raises:
            RedisError: the connection is lost.
        """
        assert self._opened is not None
        sock, found = self._opened.connection._sock, []
        timeout_s = sock.gettimeout()
        try:
            sock.settimeout(0)
            while True:
                received = sock.recv(READ_BYTES)
                if not received:
                    raise LostError("the node closed the connection")
                self._replies.feed(received)
                while (reply := self._replies.gets()) is not MORE:
                    found.append(ResponseError(str(reply)) if isinstance(reply, Exception) else reply)
        except (BlockingIOError, ssl.SSLWantReadError):
            sock.settimeout(timeout_s)
            return found
        except (OSError, hiredis.ProtocolError) as error:
            raise LostError(str(error)) from error

    def drop(self, has_unanswered: bool) -> None:
        """Give the connection up, and with it the answers that are still to come."""
        if self._opened is not None:
            self._opened.connection.disconnect()
            if has_unanswered:
                self._must_end.append(self._opened.client)
            self._opened = None
        if self._opening is not None:
            self._opening.add_done_callback(_close)
            self._opening = None

    def _open(self, opening: "Future[_Opened]") -> None:
        try:
            connection = self._nodes.connect(self.node)
            try:
                client = _client(_answer(connection, "CLIENT", "INFO"))
                for ended in tuple(self._must_end):
                    _answer(connection, "CLIENT", "KILL", "ID", ended.number, "ADDR", ended.address)
                _answer(connection, "SCRIPT", "LOAD", self._script)
            except BaseException:
                connection.disconnect()
                raise
            opening.set_result(_Opened(connection, client))
        except Exception as error:
            opening.set_exception(error if isinstance(error, RedisError) else LostError(str(error)))
        self._news.set()


def _answer(connection: Any, *words: str | bytes) -> Any:
    connection.send_command(*words, check_health=False)
    return connection.read_response()


def _client(info: bytes) -> _Client:
    """Read `id=7 addr=127.0.0.1:50000 …`. The number alone may be another's, once the node was started anew."""
    fields = dict(field.partition(b"=")[::2] for field in info.split())
    return _Client(fields[b"id"], fields[b"addr"])


def _close(opening: "Future[_Opened]") -> None:
    if opening.exception() is None:
        opening.result().connection.disconnect()
