"""Writing profiles to Redis: grouped, newer wins, retried while Redis is away."""

import time
from collections.abc import Callable
from typing import Any

import msgspec
import redis
from redis.exceptions import NoScriptError, RedisError

from state.personalizer import Write

FIRST_BACKOFF_S = 0.05
LONGEST_BACKOFF_S = 2.0

# KEYS: profiles. ARGV: life in ms, channel, then five for each key: generation, version, updated_at, profile, message.
# A profile begins with these three numbers, so 160 bytes tell whether what stands there is newer. Returns how many were written.
WRITE_IF_NEWER = """
local written = 0
for i, key in ipairs(KEYS) do
  local at = 5 * i - 2
  local head = redis.call('GETRANGE', key, 0, 160)
  local g, v, u = string.match(head, '"generation":(%d+),"version":(%d+),"updated_at":(%d+)')
  local newer = true
  if g then
    local og, ov, ou = tonumber(g), tonumber(v), tonumber(u)
    local ng, nv, nu = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    newer = not (ng < og or (ng == og and (nv < ov or (nv == ov and nu < ou))))
  end
  if newer then
    redis.call('SET', key, ARGV[at + 3], 'PX', ARGV[1])
    redis.call('PUBLISH', ARGV[2], ARGV[at + 4])
    written = written + 1
  end
end
return written
"""


class RedisUnavailableError(Exception):
    """Redis took no profiles for `redis.block_max`. See to Redis: the job goes on from its checkpoint by itself."""


class ProfileWriter:
    """Holds at most `batch` sessions' newest write or deletion; a session's later write replaces its earlier one."""

    def __init__(
        self,
        client: redis.Redis,
        prefix: str,
        ttl_ms: int,
        batch: int,
        block_max_ms: int,
        count: Callable[[str, int], None],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._channel = f"{prefix}:profile-updated"
        self._ttl_ms = ttl_ms
        self._batch = batch
        self._block_max_s = block_max_ms / 1_000
        self._count = count
        self._pause = pause
        self._pending: dict[str, Write | None] = {}
        self._script = ""

    def put(self, session_id: str, write: Write) -> None:
        """Takes a profile to write; flushes when the batch is full."""
        self._pending[session_id] = write
        if len(self._pending) >= self._batch:
            self.flush()

    def delete(self, session_id: str) -> None:
        """Takes a profile away, and with it any write of it that is still pending."""
        self._pending[session_id] = None
        if len(self._pending) >= self._batch:
            self.flush()

    def holds(self, session_id: str) -> bool:
        """Whether something of the session waits to be written."""
        return session_id in self._pending

    def flush(self) -> None:
        """Writes all that is pending in one round trip, with retries.

        Raises:
            RedisUnavailableError: after `block_max`; what is pending stays.
        """
        if not self._pending:
            return
        deadline = time.monotonic() + self._block_max_s
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                self._try_flush()
                self._pending.clear()
                return
            except RedisError as error:
                self._count("redis_retries", 1)
                if time.monotonic() + backoff_s > deadline:
                    raise RedisUnavailableError(f"{len(self._pending)} profiles wait for Redis: {error}") from error
            self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, LONGEST_BACKOFF_S)

    def _try_flush(self) -> None:
        if not self._script:
            self._script = str(self._client.script_load(WRITE_IF_NEWER))
        keys: list[str] = []
        arguments: list[Any] = [self._ttl_ms, self._channel]
        gone: list[str] = []
        for session_id, write in self._pending.items():
            key = f"{self._prefix}:profile:{session_id}"
            if write is None:
                gone.append(key)
            else:
                keys.append(key)
                message = updated_message(session_id, write.version, write.updated_at_ms)
                arguments += (write.generation, write.version, write.updated_at_ms, write.profile, message)
        pipeline = self._client.pipeline(transaction=False)
        if gone:
            pipeline.delete(*gone)
        if keys:
            pipeline.evalsha(self._script, len(keys), *keys, *arguments)
        try:
            results = pipeline.execute()
        except NoScriptError:
            self._script = ""  # a restarted Redis has forgotten it; the next try loads it again
            raise
        if keys:
            self._count("profiles_written", results[-1])
            self._count("profiles_stale", len(keys) - results[-1])


def updated_message(session_id: str, version: int, updated_at_ms: int) -> bytes:
    """The notification of a write."""
    return msgspec.json.encode({"session_id": session_id, "version": version, "updated_at": updated_at_ms})
