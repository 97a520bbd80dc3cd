"""Consent at the door: with `consent.default: denied` no event of a session is sent to Kafka without its consent.

What a session has said last is kept in Redis, where all workers see it, for as long as a session lives. Nothing is kept in a
worker: a withdrawal that another one took counts at once. While Redis does not answer nobody knows who has consented, so nothing
is taken in at all, and clients repeat it later.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.exceptions import RedisError

from serving.collection.admission import Admitted
from serving.collection.producer import UnavailableError
from serving.context import AnyRedis
from state.configuration import Settings

REMEMBER = """
local denied, first, last = 0, 0, 0
local held = redis.call('GET', KEYS[1])
if held then
  local a, b, c = string.match(held, '^(%d+):(%d+):(%d+)$')
  if a then denied, first, last = tonumber(a), tonumber(b), tonumber(c) end
end
local at = tonumber(ARGV[2])
if ARGV[1] == '1' then
  if at > denied then
    if first == 0 or at < first then first = at end
    if at > last then last = at end
  end
elseif at > denied then
  denied = at
  if first <= denied then
    if last > denied then first = last else first, last = 0, 0 end
  end
end
local now = string.format('%.0f:%.0f:%.0f', denied, first, last)
redis.call('SET', KEYS[1], now, 'PX', ARGV[3])
return now
"""
"""Takes one word of a session in: the latest withdrawal, and the first and last grant after it, whatever order they come in.
At equal times the withdrawal wins, as in the job (`state/session/consent.py`)."""

READ = """
local held = redis.call('GET', KEYS[1])
if held then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return held
"""
"""Reads what is kept, and keeps it for as long again."""


class Passed(NamedTuple):
    """Events that may be sent, and the number of those that may not."""

    events: Sequence[Admitted]
    withheld: int


class ConsentDoor:
    """Door for events of sessions with consent, and for every event of consent or erasure."""

    def __init__(self, settings: Settings, redis: AnyRedis) -> None:
        self._denied = settings.consent.default == "denied"
        self._prefix, self._ttl_ms = settings.redis.prefix, settings.session.ttl_ms
        self._redis = redis

    async def pass_on(self, events: Sequence[Admitted]) -> Passed:
        """Return what of a batch may be sent.

        Raises:
            UnavailableError: Redis does not answer, so nobody knows; nothing was sent.
        """
        if not self._denied or not events:
            return Passed(events, 0)
        granted_ms = await self._granted(events)
        passed = [one for one in events if one.is_word or 0 < granted_ms[one.session_id] <= one.timestamp_ms]
        return Passed(passed, len(events) - len(passed))

    async def _granted(self, events: Sequence[Admitted]) -> Mapping[str, int]:
        """From when on each session's events may be used, 0 for never; words of this batch are remembered first."""
        words = [one for one in events if one.is_word]
        sessions = list(dict.fromkeys(one.session_id for one in events))
        pipe = self._redis.pipeline(transaction=False)
        for word in words:
            said = ("1" if word.grants else "0", str(word.timestamp_ms), str(self._ttl_ms))
            pipe.eval(REMEMBER, 1, self._key(word.session_id), *said)
        for session in sessions:
            pipe.eval(READ, 1, self._key(session), str(self._ttl_ms))
        try:
            answers = await pipe.execute()
        except (RedisError, OSError) as error:
            raise UnavailableError("it is not known who has consented, because Redis does not answer") from error
        return {session: _granted_in(held) for session, held in zip(sessions, answers[len(words) :], strict=True)}

    def _key(self, session_id: str) -> str:
        return f"{self._prefix}:consent:{session_id}"


def _granted_in(held: object) -> int:
    parts = held.split(b":") if isinstance(held, bytes) else []
    return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else 0
