"""What a cluster says of itself, asked once a second: whose data its primaries hold, and how much."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from operators.counters import Counters
from operators.redis.cluster.profiles import ClusterProfileWriter
from operators.redis.cluster.topology import SLOTS, slot_of
from operators.redis.health import ASK_AGAIN_MS, ASK_EVERY_MS, READ_OR_SET, field_of, marker_key, new_marker
from operators.redis.profile_batch import packed
from state.profile.memory_budget import MemoryBudget

logger = structlog.get_logger()

PROBES = 64
"""Slots that have a marker of their own, spread evenly: each primary of a cluster of so many has one."""


def probe_keys(prefix: str) -> list[str]:
    """Return the keys of the markers, one in each share of the slots."""
    found: dict[int, str] = {}
    share, number = SLOTS // PROBES, 0
    while len(found) < PROBES:
        key = f"{marker_key(prefix)}:{number}"
        found.setdefault(slot_of(key.encode()) // share, key)
        number += 1
    return [found[each] for each in sorted(found)]


class _Round:
    """Answers to the questions of one second."""

    def __init__(self) -> None:
        self.markers: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        self.memory: dict[str, tuple[int, int]] = {}
        self.is_void = False


class ClusterHealth:
    """Epoch of the cluster's data: markers all over the slots, and which runs of which servers are primaries.

    One primary that loses its data, or whose replica takes over, makes another epoch; a slot that moves does not. The first word is
    the marker that a single server has, which `heliotrope rebuild` sets.

    Attributes:
        epoch: changes with every loss of data; empty while nothing is known.
        used_bytes: the memory that the primaries use, 0 while nothing is known.
    """

    def __init__(self, writer: ClusterProfileWriter, prefix: str, counters: Counters, budget: MemoryBudget) -> None:
        self._writer = writer
        self._counters = counters
        self._budget = budget
        self._marker_key = marker_key(prefix)
        self._probe_keys = probe_keys(prefix)
        self._next_ms = 0
        self._round: _Round | None = None
        self._refused: set[str] = set()
        self.epoch = ""
        self.used_bytes = 0

    def ask(self, now_ms: int) -> None:
        """Read the answers that have come, and ask anew if it is time."""
        self._writer.listen()
        if self._next_ms - ASK_AGAIN_MS <= now_ms < self._next_ms:  # further off only after the clock was set back
            return
        self._next_ms = now_ms + ASK_EVERY_MS
        self._round = asked = _Round()
        sent = [self._ask_marker(asked, key) for key in (self._marker_key, *self._probe_keys)]  # each begins to connect
        if all(sent):
            self._ask_primaries(asked)

    def _ask_marker(self, asked: _Round, key: str) -> bool:
        script = packed(b"EVAL", READ_OR_SET.encode(), b"1", key.encode(), new_marker().encode())
        return self._writer.ask(script, partial(self._read_marker, asked, key), key.encode())

    def _ask_primaries(self, asked: _Round) -> None:
        questions: tuple[tuple[bytes, Callable[..., None]], ...] = (
            (b"memory", self._read_memory),
            (b"server", self._read_run),
        )
        for section, read in questions:
            count = self._writer.ask_primaries(packed(b"INFO", section), partial(read, asked))
            asked.is_void = asked.is_void or count == 0

    def _read_marker(self, asked: _Round, key: str, answer: Any) -> None:
        if isinstance(answer, bytes):
            asked.markers[key] = answer.decode(errors="replace")
        else:
            asked.is_void = True
            self._say("the marker", answer)

    def _read_memory(self, asked: _Round, node: str, answer: Any) -> None:
        if isinstance(answer, bytes):
            asked.memory[node] = int(field_of(answer, b"used_memory") or 0), int(field_of(answer, b"maxmemory") or 0)
        else:
            self._say("INFO memory", answer)

    def _read_run(self, asked: _Round, node: str, answer: Any) -> None:
        """Take in the last answer of each primary."""
        asked.runs[node] = field_of(answer, b"run_id").decode(errors="replace") if isinstance(answer, bytes) else ""
        if not isinstance(answer, bytes):
            self._say("INFO server", answer)
        is_whole = len(asked.markers) == 1 + PROBES and len(asked.runs) == self._writer.primaries
        if asked is self._round and is_whole and not asked.is_void:
            self._conclude(asked)

    def _conclude(self, asked: _Round) -> None:
        self._round = None
        parts = (*(asked.markers[key] for key in self._probe_keys), *sorted(asked.runs.values()))
        digest = hashlib.sha1(" ".join(parts).encode(), usedforsecurity=False).hexdigest()
        self.epoch = f"{asked.markers[self._marker_key]} {digest}"
        if len(asked.memory) == len(asked.runs):
            self._show(list(asked.memory.values()))

    def _show(self, memory: list[tuple[int, int]]) -> None:
        """The fullest primary decides how much room there is: profiles cannot choose their slot."""
        used, most = zip(*memory, strict=True)
        self.used_bytes = sum(used)
        self._counters.show("redis_used_bytes", self.used_bytes)
        self._counters.show("redis_max_bytes", min(most) and sum(most))
        if self._budget.observe(max(used) * len(used)):
            self._counters.show("redis_memory_level", self._budget.level)
            logger.warning("Redis' memory", level=self._budget.level.name, used_bytes=self.used_bytes)

    def _say(self, what: str, answer: Any) -> None:
        """Once."""
        if what not in self._refused:
            self._refused.add(what)
            logger.warning("Redis does not say what it was asked", what=what, error=str(answer))
