"""Reads where sessions stand: the first bytes of many profiles at once, on a connection of its own."""

from collections.abc import Sequence
from typing import Any

import redis.asyncio
from redis.exceptions import ResponseError

from serving.push.position import HEAD_BYTES, Position, position_of
from serving.push.wire import Wire, packed

LAST_BYTE = b"%d" % (HEAD_BYTES - 1)


class PositionReader:
    """Reader of positions. It connects with its first request, and anew after each failure. One request at a time."""

    def __init__(self, client: redis.asyncio.Redis, prefix: str, timeout_s: float) -> None:
        self._client = client
        self._key = f"{prefix}:profile:"
        self._timeout_s = timeout_s
        self._wire: Wire | None = None

    async def read(self, session_ids: Sequence[str]) -> Sequence[Position | None]:
        """Return the sessions' positions, in their order.

        Raises:
            RedisError, OSError, TimeoutError: Redis does not say.
        """
        try:
            heads = await self._heads([(self._key + session_id).encode() for session_id in session_ids])
        except BaseException:  # what is still to come on this connection would answer the next question
            await self.close()
            raise
        refused = next((head for head in heads if is_refusal(head)), None)
        if refused is not None:
            raise ResponseError(str(refused))
        return list(map(position_of, heads))

    async def close(self) -> None:
        """Give the connection up."""
        wire, self._wire = self._wire, None
        if wire is not None:
            await wire.close()

    async def _heads(self, keys: list[bytes]) -> list[Any]:
        if self._wire is None:
            wire = Wire(self._client.connection_pool)
            await wire.open()
            self._wire = wire
        self._wire.send(*(packed(b"GETRANGE", key, b"0", LAST_BYTE) for key in keys))
        heads: list[Any] = []
        while len(heads) < len(keys):
            heads += await self._wire.replies(self._timeout_s)
        return heads


def is_refusal(head: object) -> bool:
    """Say if Redis did not serve the command at all. A key of another type is no refusal: it is no profile."""
    return isinstance(head, Exception) and not str(head).startswith("WRONGTYPE")
