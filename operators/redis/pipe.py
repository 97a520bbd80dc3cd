"""A connection to Redis on which commands go out without waiting; their answers are read later, in the same order."""

import uuid
from typing import Any

import redis
from redis.exceptions import RedisError

FENCE_LIFE_MS = 3_600_000


class RedisPipe:
    """Connection of redis-py's own, so TLS, passwords, databases and timeouts are as in its URL.

    Redis may yet carry out what it received on a connection that was given up, after the same was sent again on the next
    one: an old write would undo a deletion. So each connection has a fence, and its commands must do nothing once a key
    of that name stands in Redis, which is set before the next connection sends anything.
    """

    def __init__(self, client: redis.Redis, prefix: str, script: str) -> None:
        self._client = client
        self._prefix = prefix
        self._script = script
        self._connection: Any = None
        self._unanswered = 0
        self._must_fence = False
        self.fence = ""

    def open(self) -> None:
        """Connect where nothing is connected, with the script loaded and the connection before it fenced off."""
        if self._connection is not None and not self._unanswered and self._is_stale():
            self.drop()
        if self._connection is not None:
            return
        self._client.script_load(self._script)
        if self._must_fence:
            self._client.set(self.fence, 1, px=FENCE_LIFE_MS)
            self._must_fence = False
        self.fence = f"{self._prefix}:fence:{uuid.uuid4().hex}"
        self._connection = self._client.connection_pool.get_connection()

    def send(self, command: bytes) -> None:
        """Send a packed command on the open connection; wait only while the socket's buffer is full."""
        self._unanswered += 1
        # a health check would read the answer of an earlier command as its own
        self._connection.send_packed_command([command], check_health=False)

    def has_answer(self) -> bool:
        """Return whether an answer can be read without waiting."""
        return bool(self._connection.can_read(0))

    def answer(self) -> Any:
        """Return the answer to the oldest command that has none yet."""
        answer = self._connection.read_response()
        self._unanswered -= 1
        return answer

    def drop(self) -> None:
        """Give the connection up, and with it the answers that are still to come."""
        if self._connection is None:
            return
        self._connection.disconnect()
        self._client.connection_pool.release(self._connection)
        self._connection = None
        self._must_fence = self._unanswered > 0
        self._unanswered = 0

    def _is_stale(self) -> bool:
        """Whether Redis has closed the idle connection, as it does after its own `timeout`."""
        try:
            return self.has_answer()
        except RedisError:
            return True
