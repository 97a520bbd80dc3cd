"""A batch of profiles as one command to Redis, packed by hand: redis-py's way takes most of a flush."""

import hashlib

import msgspec

from operators.redis.answers import COUNTS
from state.profile.effect import Write

Batch = dict[str, Write | None]
"""By session the profile to write, None to delete it."""

# KEYS: the fence, profiles to write, profiles to delete. ARGV: life in ms, channel, number of writes, then profile and message of
# each write, then number and life of each write that has a life of its own.
# A profile begins with the numbers that order it, so 120 bytes say whether what stands there is newer; most often the
# generation is the same text, and only one number need be read. Numbers to Redis go as text: Lua's are printed dearly.
# One key never fails the others: what is no profile, of whatever type, is overwritten and counted; a write that Redis refuses is
# counted, and the deletions are carried out all the same.
# Returns how many were written; where any was foreign or refused {written, foreign, refused, the first refusal}.
WRITE_IF_NEWER = (
    COUNTS
    + """
local call, try, match, number, type = redis.call, redis.pcall, string.match, tonumber, type
local numbers = '^{"schema":%d+,"generation":(%d+),"version":(%d+),"updated_at":(%d+)'
if call('EXISTS', KEYS[1]) == 1 then
  return redis.error_reply('FENCED what this connection sent was sent again on another')
end
local life, channel, last_write = ARGV[1], ARGV[2], number(ARGV[3]) + 1
local lives = {}
for i = 2 * last_write + 2, #ARGV, 2 do
  lives[number(ARGV[i])] = ARGV[i + 1]
end
local written = 0
for i = 2, last_write do
  local key, profile = KEYS[i], ARGV[2 * i]
  local newer = true
  local stands = try('GETRANGE', key, '0', '120')
  if stands ~= '' then
    local g, v, u
    if type(stands) == 'string' then
      g, v, u = match(stands, numbers)
    end
    if g then
      local ng, nv, nu = match(profile, numbers)
      if ng ~= g then
        newer = number(ng) > number(g)
      elseif nv ~= v then
        newer = number(nv) > number(v)
      else
        newer = number(nu) >= number(u)
      end
    else
      foreign = foreign + 1
    end
  end
  if newer and not refuses(try('SET', key, profile, 'PX', lives[i - 1] or life)) then
    written = written + 1
    refuses(try('PUBLISH', channel, ARGV[2 * i + 1]))
  end
end
for i = last_write + 1, #KEYS do
  refuses(try('DEL', KEYS[i]))
end
if foreign + refused > 0 then
  return {written, foreign, refused, refusal}
end
return written
"""
)
SCRIPT_SHA = hashlib.sha1(WRITE_IF_NEWER.encode(), usedforsecurity=False).hexdigest()


class BatchPacker:
    """Packer of batches, which keeps what is the same in each."""

    def __init__(self, prefix: str, ttl_ms: int) -> None:
        self._key_prefix = f"{prefix}:profile:".encode()
        self._command = bulk(b"EVALSHA") + bulk(SCRIPT_SHA.encode())
        self._life_and_channel = bulk(b"%d" % ttl_ms) + bulk(f"{prefix}:profile-updated".encode())

    def pack(self, batch: Batch, fence: str) -> bytes:
        """Return the batch's call of the script, which does nothing once `fence` is a key in Redis. A profile is copied once."""
        written: list[bytes] = []
        deleted: list[bytes] = []
        arguments: list[bytes] = []
        lives: list[bytes] = []
        for session_id, write in batch.items():
            key = bulk(self._key_prefix + session_id.encode())
            if write is None:
                deleted.append(key)
            else:
                written.append(key)
                message = updated_message(session_id, write.version, write.updated_at_ms)
                profile = write.profile
                arguments += (b"$%d\r\n" % len(profile), profile, b"\r\n$%d\r\n%b\r\n" % (len(message), message))
                if write.life_ms:
                    lives += (bulk(b"%d" % len(written)), bulk(b"%d" % write.life_ms))
        head = b"*%d\r\n" % (7 + len(batch) + 2 * len(written) + len(lives))
        keys = bulk(b"%d" % (1 + len(batch))) + bulk(fence.encode())
        same = self._life_and_channel + bulk(b"%d" % len(written))
        return b"".join((head, self._command, keys, *written, *deleted, same, *arguments, *lives))


def bulk(text: bytes) -> bytes:
    """Return a text on its way to Redis."""
    return b"$%d\r\n%b\r\n" % (len(text), text)


def packed(*words: bytes) -> bytes:
    """Return a command as Redis reads it."""
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


def updated_message(session_id: str, version: int, updated_at_ms: int) -> bytes:
    """Return the notification of a write."""
    name = msgspec.json.encode(session_id)
    return b'{"session_id":%b,"version":%d,"updated_at":%d}' % (name, version, updated_at_ms)
