"""Writing the regions' lists to Redis: many in a round trip, newer wins. Redis away is counted and no more: the next slide of the
windows writes every list anew."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any

import redis
import structlog
from redis.exceptions import RedisError, ResponseError

from operators.redis.answers import COUNTS
from operators.redis.cluster.calls import ClusterCalls
from operators.redis.cluster.lists import write_each
from operators.redis.errors import ADVICE, trouble_of

logger = structlog.get_logger()

GROUP = 128
"""Lists in a call of the script."""
PATIENCE_S = 1.0
"""A group is tried again for so long."""
PAUSE_S = 5.0
"""After a failure nothing is sent for so long, so that a Redis that hangs does not hold up the counting."""
FIRST_BACKOFF_S = 0.05

# KEYS: lists. ARGV: life in ms, then the lists. The region stands first and is JSON, so a quote inside it follows a backslash and
# no region can hold what the pattern looks for. One key never fails the others: what is no list, of whatever type, is overwritten
# and counted. Returns how many were written, how many of them over what is no list, how many were refused, and the first refusal.
WRITE_IF_NEWER = (
    COUNTS
    + """
local updated_at = '","updated_at":(%d+)'
local written = 0
for i, key in ipairs(KEYS) do
  local list = ARGV[i + 1]
  local found = redis.pcall('GETRANGE', key, '0', '2047')
  local stands = type(found) == 'string' and string.match(found, updated_at)
  if found ~= '' and not stands then
    foreign = foreign + 1
  end
  if not stands or tonumber(stands) <= tonumber(string.match(list, updated_at)) then
    if not refuses(redis.pcall('SET', key, list, 'PX', ARGV[1])) then
      written = written + 1
    end
  end
end
return {written, foreign, refused, refusal}
"""
)


class PopularWriter:
    """Writer of lists under `<prefix>:popular:<region>` for `life_ms` from then."""

    def __init__(
        self,
        client: redis.Redis | ClusterCalls,
        prefix: str,
        life_ms: int,
        count: Callable[[str, int], None],
        pause: Callable[[float], None] = time.sleep,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._call = _caller(client)
        self._key_prefix = f"{prefix}:popular:"
        self._life_ms = life_ms
        self._count = count
        self._pause = pause
        self._clock_s = clock_s
        self._silent_until_s = 0.0

    def write(self, lists: Sequence[tuple[str, bytes]]) -> None:
        """Write (region, JSON) where none of a later window stands; never raises for Redis.

        Counts `popular_written`, `popular_stale` (a later window stood there) and `popular_failed`.
        """
        waiting = iter(lists)
        while group := list(islice(waiting, GROUP)):
            written = self._insist(group)
            if written is None:
                self._count("popular_failed", len(group))
            else:
                self._count("popular_written", written)
                self._count("popular_stale", len(group) - written)

    def close(self) -> None:
        """Give the connection up."""
        self._client.close()

    def _insist(self, group: list[tuple[str, bytes]]) -> int | None:
        """How many were written; None where Redis takes none."""
        if self._clock_s() < self._silent_until_s:
            return None
        deadline_s = self._clock_s() + PATIENCE_S
        backoff_s = FIRST_BACKOFF_S
        while True:
            try:
                return self._send(group)
            except RedisError as error:
                trouble = trouble_of(error)
                self._count(f"redis_errors_{trouble}", 1)
                if self._clock_s() + backoff_s > deadline_s:
                    advice = ADVICE[trouble]
                    logger.warning(
                        "Redis takes no popularity lists", trouble=str(trouble), advice=advice, error=str(error)
                    )
                    self._silent_until_s = self._clock_s() + PAUSE_S
                    return None
                self._count("popular_retries", 1)
                self._pause(backoff_s)
                backoff_s *= 2

    def _send(self, group: list[tuple[str, bytes]]) -> int:
        keys = [self._key_prefix + region for region, _ in group]
        answer = self._call(keys, [self._life_ms, *(found for _, found in group)])
        written, foreign, refused, *refusal = answer
        if foreign:
            self._count("popular_over_foreign", foreign)
        if refused:
            raise ResponseError(refusal[0].decode(errors="replace").strip())
        return int(written)


def _caller(client: redis.Redis | ClusterCalls) -> Callable[[Sequence[str], Sequence[Any]], list[Any]]:
    """Return what calls the script: once for all keys, in a cluster once for each."""
    if isinstance(client, ClusterCalls):
        return partial(write_each, client, WRITE_IF_NEWER)
    return client.register_script(WRITE_IF_NEWER)
