"""A profile as one command to the primary of its slot."""

import hashlib

from operators.redis.profile_batch import bulk, packed, updated_message
from state.profile.effect import Write

# KEYS: the profile. ARGV: profile, life in ms, channel, message. The rule is that of WRITE_IF_NEWER, for the one key that a slot
# allows. Returns 0 where a newer one stands, 1 when written, 2 when written over what is no profile, of whatever type.
WRITE_ONE_IF_NEWER = """
local match, number = string.match, tonumber
local numbers = '^{"schema":%d+,"generation":(%d+),"version":(%d+),"updated_at":(%d+)'
local stands, done = redis.pcall('GETRANGE', KEYS[1], '0', '120'), 1
if stands ~= '' then
  local g, v, u
  if type(stands) == 'string' then
    g, v, u = match(stands, numbers)
  end
  if g then
    local ng, nv, nu = match(ARGV[1], numbers)
    local newer
    if ng ~= g then
      newer = number(ng) > number(g)
    elseif nv ~= v then
      newer = number(nv) > number(v)
    else
      newer = number(nu) >= number(u)
    end
    if not newer then
      return 0
    end
  else
    done = 2
  end
end
local said = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if said.err then
  return said
end
said = redis.pcall('PUBLISH', ARGV[3], ARGV[4])
if type(said) == 'table' and said.err then
  return said
end
return done
"""
SCRIPT_SHA = hashlib.sha1(WRITE_ONE_IF_NEWER.encode(), usedforsecurity=False).hexdigest()
STALE, WRITTEN, WRITTEN_OVER_FOREIGN = 0, 1, 2


class CallPacker:
    """Packer of calls, which keeps what is the same in each."""

    def __init__(self, prefix: str, ttl_ms: int) -> None:
        self._key_prefix = f"{prefix}:profile:"
        self._head = b"*8\r\n" + bulk(b"EVALSHA") + bulk(SCRIPT_SHA.encode()) + bulk(b"1")
        self._life = bulk(b"%d" % ttl_ms)
        self._channel = bulk(f"{prefix}:profile-updated".encode())

    def key(self, session_id: str) -> bytes:
        """Return the key of the session's profile."""
        return (self._key_prefix + session_id).encode()

    def pack(self, session_id: str, write: Write | None) -> bytes:
        """Return the command that writes the profile, or deletes it."""
        key = self.key(session_id)
        if write is None:
            return packed(b"DEL", key)
        life = bulk(b"%d" % write.life_ms) if write.life_ms else self._life
        message = bulk(updated_message(session_id, write.version, write.updated_at_ms))
        return b"".join((self._head, bulk(key), bulk(write.profile), life, self._channel, message))
