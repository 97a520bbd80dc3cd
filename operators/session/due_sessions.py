"""When the sessions of a bucket are due by event time: exposures close, sessions end."""

from typing import Any

import msgspec
from pyflink.common import Types
from pyflink.datastream import RuntimeContext
from pyflink.datastream.state import MapStateDescriptor

from operators.named_state import calls_of, drain_map, keys_of

GRAIN_MS = 10_000
"""Times are rounded up to it: sessions that fall together share a timer."""
REMEMBERED = 20_000
"""Ends of lists that are known without asking the state."""

_encoder = msgspec.msgpack.Encoder()
_heads = msgspec.msgpack.Decoder(tuple[int, int])
_chunks = msgspec.msgpack.Decoder(list[str])


def _time_of(name: str) -> int:
    return int(name.partition("/")[0])


class DueSessions:
    """Sessions listed by the time at which they are due, in keyed state by bucket.

    A list grows by a chunk with each batch, so that a batch writes what it adds and no more: the map holds the numbers of the
    list's first chunk and of the one after its last under the time, and each chunk under time and number.
    """

    def __init__(self, runtime_context: RuntimeContext) -> None:
        descriptor = MapStateDescriptor("due", Types.STRING(), Types.PICKLED_BYTE_ARRAY())
        self._map: Any = runtime_context.get_map_state(descriptor)
        self._calls = calls_of(runtime_context)
        self._heads: dict[tuple[str, int], tuple[int, int]] = {}
        self._added: dict[int, list[str]] = {}

    def add(self, session_id: str, due_ms: int) -> None:
        """Note that the session is to be looked at once the watermark has passed that time."""
        self._added.setdefault(-(-due_ms // GRAIN_MS) * GRAIN_MS, []).append(session_id)

    def store(self, bucket: str, timers: Any) -> None:
        """Write what was added, and set a timer for each time that is new."""
        if not self._added:
            return
        entries: dict[str, bytes] = {}
        for time_ms, session_ids in self._added.items():
            first, end = self._head(bucket, time_ms)
            if first == end:
                timers.register_event_time_timer(time_ms)
            entries[f"{time_ms}/{end}"] = _encoder.encode(session_ids)
            entries[str(time_ms)] = self._remember(bucket, time_ms, first, end + 1)
        self._map.put_all(entries)
        self._added.clear()

    def drain(self, bucket: str, time_ms: int, most: int) -> tuple[list[str], bool]:
        """Return sessions that are due at that time, whole chunks of them until there are `most`, and whether any are left."""
        first, end = self._head(bucket, time_ms)
        taken: list[str] = []
        count = 1
        while first < end and len(taken) < most:
            names = [f"{time_ms}/{number}" for number in range(first, min(end, first + count))]
            for data in drain_map(self._map, self._calls, names):
                taken += _chunks.decode(data)
            first += len(names)
            count = max(
                1, (most - len(taken)) * len(names) // max(1, len(taken))
            )  # chunks are about as long as each other
        if first < end:
            self._map.put(str(time_ms), self._remember(bucket, time_ms, first, end))
        elif end:
            self._map.remove(str(time_ms))
            self._heads.pop((bucket, time_ms), None)
        return taken, first < end

    def is_empty(self) -> bool:
        """Return whether no session of the current bucket is due at any time: then it has none."""
        return bool(self._map.is_empty())

    def chunks(self) -> list[str]:
        """Return the names of all chunks of the current bucket, of the sessions that are due last first. Each session that is held
        is in one of them, most in several."""
        names = [name for name in keys_of(self._map) if "/" in name]
        names.sort(key=_time_of)
        return names

    def chunk(self, name: str) -> list[str]:
        """Return the sessions of a chunk of the current bucket, none where it is gone."""
        data = self._map.get(name)
        return [] if data is None else _chunks.decode(data)

    def _head(self, bucket: str, time_ms: int) -> tuple[int, int]:
        head = self._heads.get((bucket, time_ms))
        if head is None:
            data = self._map.get(str(time_ms))
            head = (0, 0) if data is None else _heads.decode(data)
        return head

    def _remember(self, bucket: str, time_ms: int, first: int, end: int) -> bytes:
        if len(self._heads) >= REMEMBERED:
            self._heads.clear()
        self._heads[bucket, time_ms] = (first, end)
        return _encoder.encode((first, end))
