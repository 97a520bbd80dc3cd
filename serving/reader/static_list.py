"""The list for a start without Redis: the last one of all regions, kept in a file; before there is one, an empty list."""

import os
import threading
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from serving.reader.popular import PopularList, read_popular
from serving.reader.settings import ReaderSettings


class StaticList:
    """List in a file that is read once and written anew from time to time, by a thread: a disk that hangs holds up no answer.

    Attributes:
        newest: the list to show.
    """

    def __init__(self, settings: ReaderSettings, count: Callable[[str, int], None]) -> None:
        self._path = Path(settings.static_file) if settings.static_file else None
        self._interval_s = settings.static_interval_ms / 1_000
        self._count = count
        self._next_s = float("-inf")
        self._writer: threading.Thread | None = None
        shipped = (files("serving.reader") / "static.json").read_bytes()
        self.newest = self._kept(settings) or _read(shipped, settings)

    def offer(self, found: PopularList, now_s: float) -> None:
        """Keep a list that was read from Redis, if it is newer and it is time."""
        if found.is_empty or found.updated_at_ms < self.newest.updated_at_ms:
            return
        is_newer = found.updated_at_ms > self.newest.updated_at_ms
        self.newest = found
        if self._path is None or not is_newer or now_s < self._next_s:
            return
        if self._writer is None or not self._writer.is_alive():
            self._next_s = now_s + self._interval_s
            self._writer = threading.Thread(target=self._write, args=(found.raw,), name="static-list", daemon=True)
            self._writer.start()

    def wait(self) -> None:
        """Wait until what is being written is on disk."""
        if self._writer is not None:
            self._writer.join()

    def _kept(self, settings: ReaderSettings) -> PopularList | None:
        if self._path is None:
            return None
        try:
            return read_popular(self._path.read_bytes(), settings.items, settings.refresh_after_ms)
        except OSError:
            return None

    def _write(self, raw: bytes) -> None:
        """Write whole or not at all, also if several workers write at once."""
        assert self._path is not None
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(raw)
            unfinished.replace(self._path)
        except OSError:
            self._count("static_list_not_written", 1)


def _read(raw: bytes, settings: ReaderSettings) -> PopularList:
    found = read_popular(raw, settings.items, settings.refresh_after_ms)
    assert found is not None, "the shipped list is one"
    return found
