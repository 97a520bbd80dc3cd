"""A connection to Redis that receives the notifications of one channel."""

import redis.asyncio
from redis.exceptions import ConnectionError as LostError

from serving.cluster_redis import ClusterRedis
from serving.push.wire import Wire, packed

PING_AFTER_S = 5.0
"""A silent channel is asked for a sign of life after so long, and given up after as long again."""
PING = packed(b"PING")


class Subscription:
    """Subscription on a connection of its own, which raises what a `Wire` raises."""

    def __init__(
        self, client: redis.asyncio.Redis | ClusterRedis, channel: str, ping_after_s: float = PING_AFTER_S
    ) -> None:
        self._client = client
        self._wire = Wire(client.connection_pool)
        self._channel = channel.encode()
        self._ping_after_s = ping_after_s
        self._early: list[bytes] = []

    async def open(self) -> None:
        """Connect, and return once Redis has confirmed the subscription: from then on no message is missed."""
        await self._wire.open()
        self._wire.send(packed(b"SUBSCRIBE", self._channel))
        confirmed, *early = await self._wire.replies(self._ping_after_s) or [None]
        if not isinstance(confirmed, list) or confirmed[0] != b"subscribe":
            raise LostError(f"SUBSCRIBE was answered by {confirmed!r}")
        self._early = _payloads(early)

    async def read(self) -> list[bytes]:
        """Return the payloads that have come, after waiting for at least something to come; may be empty.

        A peer that vanished without a word is found by a ping without an answer. A node of a cluster may live and yet be cut
        off from the others, so a silent one is asked about at another.
        """
        if self._early:
            early, self._early = self._early, []
            return early
        try:
            return _payloads(await self._wire.replies(self._ping_after_s))
        except TimeoutError:
            self._wire.send(PING)
            payloads = _payloads(await self._wire.replies(self._ping_after_s))
            if isinstance(self._client, ClusterRedis) and not await self._client.has_node(self._wire.node):
                raise LostError("the others do not name the node as one of the cluster") from None
            return payloads

    async def close(self) -> None:
        """Give the connection up."""
        await self._wire.close()


def _payloads(replies: list[object]) -> list[bytes]:
    payloads = []
    for reply in replies:
        if isinstance(reply, Exception):
            raise LostError(str(reply))
        if isinstance(reply, list) and reply[0] == b"message":
            payloads.append(reply[2])
    return payloads
