"""A connection to Redis that receives the notifications of one channel.

redis-py's own way to read them takes 6 to 10 µs for each message, which a busy shop sends by the ten thousand each second.
Here redis-py connects (address, TLS, login, database) and hiredis parses whole packets, which takes 0.7 µs. To do so this
module reads from the connection's own stream; nothing else in `serving` reaches inside redis-py.
"""

import asyncio
from typing import Any

import hiredis
import redis.asyncio
from redis.exceptions import ConnectionError as LostError
from redis.exceptions import ResponseError

READ_BYTES = 65_536
PING_AFTER_S = 5.0
"""A silent channel is asked for a sign of life after so long, and given up after as long again."""
PING = b"*1\r\n$4\r\nPING\r\n"


class Subscription:
    """One subscription on a connection of its own.

    Raises from all methods what a lost connection raises: RedisError, OSError, TimeoutError.
    """

    def __init__(self, client: redis.asyncio.Redis, channel: str, ping_after_s: float = PING_AFTER_S) -> None:
        pool: Any = client.connection_pool
        self._connection = pool.make_connection()
        self._parser = hiredis.Reader()
        self._channel = channel.encode()
        self._ping_after_s = ping_after_s

    async def open(self) -> None:
        """Connect, and return once Redis has confirmed the subscription: from then on no message is missed."""
        await self._connection.connect()
        await self._connection.send_command("SUBSCRIBE", self._channel)
        confirmed = await self._connection.read_response(timeout=self._ping_after_s)
        if not isinstance(confirmed, list) or confirmed[0] != b"subscribe":
            raise LostError(f"SUBSCRIBE was answered by {confirmed!r}")

    async def read(self) -> list[bytes]:
        """Return the payloads that have come, after waiting for at least something to come; may be empty."""
        received = await self._receive()
        self._parser.feed(received)
        payloads: list[bytes] = []
        while (message := self._parser.gets()) is not False:
            if isinstance(message, hiredis.ReplyError):
                raise ResponseError(str(message))
            if isinstance(message, list) and message[0] == b"message":
                payloads.append(message[2])
        return payloads

    async def close(self) -> None:
        """Give the connection up."""
        await self._connection.disconnect(nowait=True)

    async def _receive(self) -> bytes:
        """Read what is there. A peer that vanished without a word is found by a ping without an answer."""
        stream = self._connection._reader
        try:
            async with asyncio.timeout(self._ping_after_s):
                received = await stream.read(READ_BYTES)
        except TimeoutError:
            await self._connection.send_packed_command([PING], check_health=False)
            async with asyncio.timeout(self._ping_after_s):
                received = await stream.read(READ_BYTES)
        if not received:
            raise LostError("Redis closed the subscription")
        return bytes(received)
