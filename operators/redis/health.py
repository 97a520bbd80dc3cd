"""What Redis says of itself, asked once a second on the way that profiles take: whose data it holds, and how much."""

import uuid
from typing import Any

import structlog

from operators.counters import Counters
from operators.redis.profile_batch import packed
from operators.redis.profiles import ProfileWriter
from state.profile.memory_budget import MemoryBudget

logger = structlog.get_logger()

ASK_EVERY_MS = 900
"""Less than a second, so that clocks which are a little off do not skip one."""
ASK_AGAIN_MS = 5_000
"""After a question without an answer: to ask a Redis that is away takes the time of a connection."""
MARKER_BYTES = 32

# KEYS: the marker. ARGV: a new one. Returns the one that stands there. What is no marker is overwritten, of whatever type.
READ_OR_SET = """
local stands = redis.pcall('GET', KEYS[1])
if type(stands) == 'string' and #stands == 32 then
  return stands
end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
"""


def marker_key(prefix: str) -> str:
    """Return the key whose value names the data: gone, it says that the data is gone."""
    return f"{prefix}:alive"


def new_marker() -> str:
    """Return a marker that never was."""
    return uuid.uuid4().hex


class RedisHealth:
    """Epoch of Redis' data: the marker, and which run of which server holds it.

    A server that starts again with a dump of five minutes ago, or a replica that takes over, has the marker, but is another run.

    Attributes:
        epoch: changes with every loss of data; empty while nothing is known.
        used_bytes: the memory that Redis uses, 0 while nothing is known.
    """

    def __init__(self, writer: ProfileWriter, prefix: str, counters: Counters, budget: MemoryBudget) -> None:
        self._budget = budget
        self._writer = writer
        self._counters = counters
        self._key = marker_key(prefix).encode()
        self._server = packed(b"INFO", b"server")
        self._memory = packed(b"INFO", b"memory")
        self._marker = ""
        self._run = ""
        self._next_ms = 0
        self._is_open = False
        self._refused: set[str] = set()
        self.epoch = ""
        self.used_bytes = 0

    def ask(self, now_ms: int) -> None:
        """Read the answers that have come, and ask anew if it is time."""
        self._writer.listen()
        if self._next_ms - ASK_AGAIN_MS <= now_ms < self._next_ms:  # further off only after the clock was set back
            return
        self._next_ms = now_ms + (ASK_AGAIN_MS if self._is_open else ASK_EVERY_MS)
        self._is_open = True
        script = packed(b"EVAL", READ_OR_SET.encode(), b"1", self._key, new_marker().encode())
        questions = ((script, self._read_marker), (self._memory, self._read_memory), (self._server, self._read_server))
        all(self._writer.ask(*question) for question in questions)  # none after one that could not be sent

    def _read_marker(self, answer: Any) -> None:
        self._marker = answer.decode(errors="replace") if isinstance(answer, bytes) else ""
        if isinstance(answer, Exception):
            self._say("the marker", answer)

    def _read_memory(self, answer: Any) -> None:
        if isinstance(answer, bytes):
            self.used_bytes = int(field_of(answer, b"used_memory") or 0)
            self._counters.show("redis_used_bytes", self.used_bytes)
            if self._budget.observe(self.used_bytes):
                self._counters.show("redis_memory_level", self._budget.level)
                logger.warning("Redis' memory", level=self._budget.level.name, used_bytes=self.used_bytes)
            self._counters.show("redis_max_bytes", int(field_of(answer, b"maxmemory") or 0))
        else:
            self._say("INFO memory", answer)

    def _read_server(self, answer: Any) -> None:
        """The last of the three answers."""
        self._is_open = False
        if isinstance(answer, bytes):
            self._run = field_of(answer, b"run_id").decode(errors="replace")
        else:
            self._say("INFO server", answer)
        if self._marker:
            self.epoch = f"{self._marker} {self._run}"

    def _say(self, what: str, answer: Any) -> None:
        """Once: without the server's run only a marker that is gone tells of lost data."""
        if what not in self._refused:
            self._refused.add(what)
            logger.warning("Redis does not say what it was asked", what=what, error=str(answer))


def field_of(text: bytes, name: bytes) -> bytes:
    """Return the value of a line `name:value`, empty if there is none."""
    return next((line[len(name) + 1 :] for line in text.split(b"\r\n") if line.startswith(name + b":")), b"")
