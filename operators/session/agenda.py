"""What a bucket has to do by the wall clock: see to writes without an answer, publish what is pending, go on with what is due."""

import enum
from typing import Any

import msgspec
from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor


class Task(enum.IntEnum):
    """Kind of what is to be done."""

    WRITTEN = 0
    """Profiles were sent to Redis: are they known to be there?"""
    PENDING = 1
    """Publications are pending."""
    DUE = 2
    """More sessions are due at an event time than one call should look at."""


class Entry(msgspec.Struct, array_like=True):
    """`names` are sessions; for DUE, see `time_ms`. `due_ms` is by the wall clock."""

    task: Task
    due_ms: int
    names: list[str]

    @classmethod
    def of_time(cls, due_ms: int, time_ms: int) -> "Entry":
        """Return an entry for sessions that are due at an event time, which state holds as text in place of their names."""
        return cls(Task.DUE, due_ms, [str(time_ms)])

    @property
    def time_ms(self) -> int:
        """The event time of an entry for DUE."""
        return int(self.names[0])


class Agenda:
    """Entries in keyed state by bucket, and a copy of them in memory, so that only a start reads them.

    An entry from before this start is told by its name: what it says was written may have been lost.
    """

    def __init__(self, runtime_context: RuntimeContext, started_ms: int) -> None:
        descriptor = MapStateDescriptor("agenda", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._map: Any = runtime_context.get_map_state(descriptor)
        self._prefix = f"{started_ms}-"
        self._count = 0
        self._entries: dict[str, dict[str, Entry]] = {}
        self._newest: dict[str, str] = {}

    def add(self, bucket: str, task: Task, due_ms: int, names: list[str], timers: Any) -> None:
        """Note something to do for sessions at that time: in the newest entry if it is for the same."""
        name = self._newest.get(bucket, "")
        entry = self._of(bucket).get(name)
        if entry is None or entry.task != task or entry.due_ms != due_ms:
            self._put(bucket, Entry(task, due_ms, names), timers)
        else:
            entry.names = list(dict.fromkeys((*entry.names, *names)))
            self._map.put(name, _encoder.encode(entry))

    def add_time(self, bucket: str, due_ms: int, time_ms: int, timers: Any) -> None:
        """Note that more sessions are due at an event time, to be looked at by the wall clock's `due_ms`."""
        self._put(bucket, Entry.of_time(due_ms, time_ms), timers)

    def due(self, bucket: str, now_ms: int) -> list[tuple[str, Entry]]:
        """Return what is to be done by now, with the names of the entries."""
        return [(name, entry) for name, entry in self._of(bucket).items() if entry.due_ms <= now_ms]

    def was_restored(self, name: str) -> bool:
        """Return whether the entry is from before this start."""
        return not name.startswith(self._prefix)

    def done(self, bucket: str, name: str) -> None:
        """Remove an entry."""
        del self._of(bucket)[name]
        self._map.remove(name)

    def postpone(self, entry: Entry, due_ms: int, timers: Any) -> None:
        """Look at an entry again at that time. The state goes on saying when it was first due, which is sooner."""
        entry.due_ms = due_ms
        timers.register_processing_time_timer(due_ms)

    def _put(self, bucket: str, entry: Entry, timers: Any) -> None:
        self._count += 1
        name = f"{self._prefix}{self._count:x}"
        self._of(bucket)[name] = entry
        self._newest[bucket] = name
        self._map.put(name, _encoder.encode(entry))
        timers.register_processing_time_timer(entry.due_ms)

    def _of(self, bucket: str) -> dict[str, Entry]:
        entries = self._entries.get(bucket)
        if entries is None:
            entries = self._entries[bucket] = {name: _decoder.decode(data) for name, data in self._map.items()}
        return entries


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Entry)
