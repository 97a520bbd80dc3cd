"""A connection to Redis without the cost of a client: whole packets go out and come in.

redis-py takes 6 to 10 µs for each message of a channel, which a busy shop sends by the ten thousand each second, and 150 µs for
a pipeline of one command. Here redis-py connects (address, TLS, login, database) and hiredis parses, which takes 0.7 µs for each
message. To do so this module writes to and reads from the connection's own streams; nothing else in `serving` reaches inside
redis-py.
"""

import asyncio
from typing import Any

import hiredis
from redis.exceptions import ConnectionError as LostError

from operators.redis.cluster.address import Node

READ_BYTES = 65_536


class Wire:
    """Connection, made by a pool of redis-py's, that is given up at the first failure.

    Raises from all methods what a lost connection raises: RedisError, OSError, TimeoutError, HiredisError.
    """

    def __init__(self, pool: Any) -> None:
        self._connection = pool.make_connection()
        self._parser = hiredis.Reader()

    @property
    def node(self) -> Node:
        """The server's address; none of a server that listens on a socket file."""
        return Node(getattr(self._connection, "host", ""), getattr(self._connection, "port", 0))

    async def open(self) -> None:
        """Connect."""
        await self._connection.connect()

    def send(self, *commands: bytes) -> None:
        """Send packed commands."""
        self._connection._writer.write(b"".join(commands))

    async def replies(self, timeout_s: float) -> list[Any]:
        """Wait for something to come, and return the replies that are whole; an error of Redis is one of them."""
        async with asyncio.timeout(timeout_s):
            received = await self._connection._reader.read(READ_BYTES)
        if not received:
            raise LostError("Redis closed the connection")
        self._parser.feed(received)
        found = []
        while (reply := self._parser.gets()) is not False:
            found.append(reply)
        return found

    async def close(self) -> None:
        """Give the connection up."""
        await self._connection.disconnect(nowait=True)


def packed(*words: bytes) -> bytes:
    """Return a command as Redis reads it."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
