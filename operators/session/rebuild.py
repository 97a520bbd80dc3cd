"""Profiles that Redis has lost, brought back from state: bucket by bucket, a few at a time, between the events."""

from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import ValueStateDescriptor

from operators.redis.profile_batch import packed
from operators.redis.profiles import RedisUnavailableError
from operators.redis.writers import AnyHealth, AnyProfileWriter
from operators.session.due_sessions import DueSessions
from operators.task import next_tick_ms

logger = structlog.get_logger()

TICK_MS = 1_000
"""How often a bucket looks whether Redis still has its profiles."""
TICK_AFTER_MS = 500
"""Behind the whole second, where others have their timers."""
SLICE_MS = 10
"""Between two slices of a rebuild."""
MOST_AT_ONCE = 16
"""Sessions of a slice: an event waits no longer than for those."""
SLOWER_WHILE_BEHIND = 4
REPORT_LIFE_MS = b"86400000"

# KEYS: the reports. ARGV: bucket, report, life.
REPORT = """
if type(redis.pcall('HSET', KEYS[1], ARGV[1], ARGV[2])) == 'table' then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""


def reports_key(prefix: str) -> str:
    """Return the hash in which each bucket says how far its rebuild is."""
    return f"{prefix}:rebuild"


class Report(msgspec.Struct):
    """Progress of a bucket: `epoch` as `RedisHealth` has it, sessions looked at, and profiles written."""

    epoch: str
    sessions: int = 0
    written: int = 0
    is_done: bool = False
    at_ms: int = 0


class _Rebuild:
    """The rebuild of one bucket: chunks of session ids still to be read, the next last, and the ids of the one that is read."""

    def __init__(self, bucket: str, epoch: str, chunks: list[str], now_ms: int) -> None:
        self.bucket = bucket
        self.chunks = chunks
        self.waiting: list[str] = []
        self.seen: set[str] = set()
        self.report = Report(epoch)
        self.last_ms = now_ms


class Rebuilder:
    """Memory of the epoch of Redis' data in which each bucket's profiles were written; writes them again in another one.

    The epoch is in keyed state, so a loss while the job was down is found too, and a rebuild that a crash ends begins anew.
    `bring_back` writes a session's profile and says whether there was one. `begins` hears of each new epoch.
    """

    def __init__(
        self,
        runtime_context: RuntimeContext,
        health: AnyHealth,
        writer: AnyProfileWriter,
        due: DueSessions,
        prefix: str,
        per_second: int,
        bring_back: Callable[[str, int], bool],
        begins: Callable[[], None],
        count: Callable[[str, int], None],
    ) -> None:
        self._state = runtime_context.get_state(ValueStateDescriptor("redis-epoch", Types.PICKLED_BYTE_ARRAY()))
        self._health = health
        self._writer = writer
        self._due = due
        self._reports_key = reports_key(prefix).encode()
        self._per_second = per_second
        self._bring_back = bring_back
        self._begins = begins
        self._count = count
        self._next_ms: dict[str, int] = {}
        self._epochs: dict[str, str | None] = {}
        self._current: _Rebuild | None = None
        self._begun = ""

    def see(self, bucket: str, timers: Any) -> None:
        """See a call for the bucket: its clock starts with the first. A bucket without sessions has nothing in Redis to lose."""
        if bucket in self._next_ms:
            return
        known = self._state.value()
        self._epochs[bucket] = known.decode() if known is not None else None if self._due.is_empty() else "-"
        self._set_timer(bucket, next_tick_ms(TICK_MS, TICK_AFTER_MS), timers)

    def is_busy_with(self, bucket: str) -> bool:
        """Return whether the bucket's sessions are on their way back."""
        return self._current is not None and self._current.bucket == bucket

    def on_timer(self, bucket: str, timestamp: int, now_ms: int, is_behind: bool, timers: Any) -> None:
        """Go on with the rebuild, if the processing-time timer that fired is the bucket's own."""
        due_ms = self._next_ms.get(bucket)
        if due_ms is None:
            self.see(bucket, timers)
        elif timestamp >= due_ms:
            self._health.ask(now_ms)
            try:
                self._go_on(bucket, now_ms)
            except RedisUnavailableError:
                raise
            except Exception:  # events must go on; the next epoch or the next start tries again
                logger.exception("a bucket's profiles could not be brought back")
                self._count("rebuilds_failed", 1)
                self._epochs[bucket], self._current = self._health.epoch, None
            if self.is_busy_with(bucket):
                self._set_timer(bucket, now_ms + SLICE_MS * (SLOWER_WHILE_BEHIND if is_behind else 1), timers)
            else:
                self._set_timer(bucket, next_tick_ms(TICK_MS, TICK_AFTER_MS), timers)

    def _set_timer(self, bucket: str, due_ms: int, timers: Any) -> None:
        self._next_ms[bucket] = due_ms
        timers.register_processing_time_timer(due_ms)

    def _go_on(self, bucket: str, now_ms: int) -> None:
        epoch = self._health.epoch
        if not epoch:
            return
        known = self._epochs[bucket]
        if known is None:
            self._remember(bucket, epoch)
        elif self.is_busy_with(bucket):
            assert self._current is not None
            if self._current.report.epoch != epoch:  # lost again
                self._start(bucket, epoch, now_ms)
            self._write_some(self._current, now_ms)
        elif known != epoch and self._current is None:
            self._start(bucket, epoch, now_ms)
            self._write_some(self._current, now_ms)  # type: ignore[arg-type]

    def _start(self, bucket: str, epoch: str, now_ms: int) -> None:
        if epoch != self._begun:
            self._begun = epoch
            logger.warning("Redis has lost data, or was asked to be written anew: the profiles are brought back")
            self._begins()
        self._current = _Rebuild(bucket, epoch, self._due.chunks(), now_ms)
        self._count("rebuilds", 1)

    def _write_some(self, rebuild: _Rebuild, now_ms: int) -> None:
        """A slice, as many as the rate allows since the last one."""
        allowed = (now_ms - rebuild.last_ms) * self._per_second // 1_000
        left = min(MOST_AT_ONCE, max(1, allowed))
        while left and self._fill(rebuild):
            session_id = rebuild.waiting.pop()
            if session_id not in rebuild.seen:
                rebuild.seen.add(session_id)
                rebuild.report.written += self._bring_back(session_id, now_ms)
                left -= 1
        self._report(rebuild, now_ms)
        rebuild.last_ms = now_ms

    def _fill(self, rebuild: _Rebuild) -> bool:
        """Whether a session waits; reads chunks until one does."""
        while not rebuild.waiting and rebuild.chunks:
            rebuild.waiting = self._due.chunk(rebuild.chunks.pop())
        return bool(rebuild.waiting)

    def _report(self, rebuild: _Rebuild, now_ms: int) -> None:
        """Says how far it is once a second, and ends what is at its end."""
        report = rebuild.report
        report.is_done = not rebuild.waiting and not rebuild.chunks
        if report.is_done or now_ms - report.at_ms >= TICK_MS:
            report.sessions, report.at_ms = len(rebuild.seen), now_ms
            content = (rebuild.bucket.encode(), msgspec.json.encode(report), REPORT_LIFE_MS)
            command = packed(b"EVAL", REPORT.encode(), b"1", self._reports_key, *content)
            self._writer.ask(command, lambda answer: None, self._reports_key)
        if report.is_done:
            self._remember(rebuild.bucket, report.epoch)
            self._count("profiles_rebuilt", report.written)
            logger.info("a bucket's profiles are back", sessions=report.sessions, profiles=report.written)
            self._current = None

    def _remember(self, bucket: str, epoch: str) -> None:
        self._epochs[bucket] = epoch
        self._state.update(epoch.encode())
