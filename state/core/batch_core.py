"""Batches of inputs through the compiled core. What it leaves to the Python core goes there on the same sessions."""

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from struct import Struct
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from state.core.resolving import Resolver
from state.core.world import ELSEWHERE, World
from state.kernels.core import memory
from state.kernels.core.batch import run_batch
from state.kernels.core.layout import (
    APPLIED,
    BEHIND,
    CALL,
    COUNTERS,
    ENDED,
    FOR_PYTHON,
    INPUT,
    LACKS,
    MISSED,
    NOTHING,
    O_ACCEPTED,
    O_DECISION,
    O_EXAMPLE,
    O_OUTCOME,
    O_PROFILE,
    O_STATE,
    O_WANTED,
    OUTS,
    PUBLISH,
    PUBLISHED,
    REPEAT,
    RESULT,
    ROOM,
    SESSION,
    SLOW,
    STATE,
)

MOST_INPUTS = 256
"""Of one call."""
TYPICAL = (5_000, 3_000, 3_000, 2_000, 500, 64, 14_000)
"""Bytes that one input writes to each buffer; where more come, a call ends early."""
MOST_MISSES = 64
"""Lists that one input may ask for; what asks for more goes to the Python core."""
GIVEN_BYTES = 6 << 20
"""Names, events and states of one call."""
_GAP = bytes(8)
"""Between texts: nothing of JSON goes on across it."""
_END = bytes(64)
"""What may be read behind the last of them."""


class Work(NamedTuple):
    """An input of a session: its kind (of `layout.EVENT` and so on), the event's bytes, and the record's time or the timer's.

    `given` is whatever the host knows it by.
    """

    kind: int
    session_id: str
    payload: bytes
    at_ms: int
    given: Any = None


class Found(NamedTuple):
    """Consequences of an input; empty bytes and 0 stand for nothing.

    `examples` are an array in MessagePack. `hello_ms` is the time of the event that
    brought the session another user. `is_pending` says that a profile waits for its time.
    """

    is_ended: bool
    timer_ms: int
    pending_ms: int
    profile: bytes
    version: int
    updated_at_ms: int
    generation: int
    decision: bytes
    outcomes: bytes
    examples: bytes
    accepted: bytes
    hello_ms: int
    is_pending: bool


class Host(Protocol):
    """Owner of the sessions, which carries out what follows from inputs."""

    def get(self, session_id: str) -> bytes | None:
        """Return a session's state value."""

    def put(self, session_id: str, data: bytes | None) -> None:
        """Hold a session's state value, None for none any more."""

    def carry_out(self, work: Work, found: Found) -> None:
        """Carry out what follows from an input; the state is put already."""

    def apply_by_python(self, work: Work) -> None:
        """Apply an input by the Python core, and carry it out."""

    def publish_by_python(self, work: Work) -> None:
        """Publish by the Python core what is due of a session."""

    def failed(self, error: Exception) -> None:
        """Note that a call has failed, whose inputs go to the Python core then."""

    def count(self, name: str, by: int, variant: str) -> None:
        """Count for a metric what has happened to sessions of a variant."""

    def want(self, product_ids: list[str]) -> None:
        """Ask for products that are not held."""


class BatchCore:
    """Caller of the compiled core for one task.

    Attributes:
        world: what it reads besides its inputs.
    """

    def __init__(self, world: World, resolver: Resolver, host: Host) -> None:
        self.world, self._resolver, self._host = world, resolver, host
        self._record: NDArray[Any] = np.zeros(1, SESSION)
        self._record["self_at"] = self._record.ctypes.data
        self._inputs: NDArray[Any] = np.zeros(MOST_INPUTS, INPUT)
        self._states: NDArray[Any] = np.zeros(MOST_INPUTS, STATE)
        self._results: NDArray[Any] = np.zeros(MOST_INPUTS, RESULT)
        sizes = [int(room) * 2 + MOST_INPUTS * typical for room, typical in zip(ROOM, TYPICAL, strict=True)]
        self._buffers = [np.zeros(size, np.uint8) for size in sizes]
        self._views = [memoryview(buffer) for buffer in self._buffers]  # type: ignore[arg-type]
        self._begins = [int(buffer.ctypes.data) for buffer in self._buffers]
        self._ends = np.array([begin + size for begin, size in zip(self._begins, sizes, strict=True)], np.int64)
        self._outs = np.zeros(OUTS, np.int64)
        self._given = np.zeros(GIVEN_BYTES + len(_END), np.uint8)
        self._given_at = int(self._given.ctypes.data)
        self._call = np.zeros(1, CALL)
        for name, array in (
            ("sessions", self._record),
            ("worlds", world.record),
            ("inputs", self._inputs),
            ("states", self._states),
            ("results", self._results),
            ("outs", self._outs),
            ("ends", self._ends),
        ):
            self._call[name] = array.ctypes.data
        self._call["n_worlds"] = len(world.record)
        self._call_at = int(self._call.ctypes.data)
        self._lay_inputs, self._lay_states, self._lay_outs, self._lay_given, self._clear = (
            memoryview(array.view(np.uint8).data)
            for array in (self._inputs, self._states, self._outs, self._given, self._results)
        )
        self._counters = [memoryview(of_variant.data) for of_variant in world.record["counters"]]
        self._misses: dict[int, int] = {}

    def run(self, works: Iterable[Work], now_ms: int, watermark_ms: int, limit: int, interval_ms: int) -> None:
        """Apply inputs, those of a session in their order; `limit` and `interval_ms` are those of the overload's level."""
        waiting = _by_session(works)
        if self.world.leaves_some:
            waiting = self._compiled_ones(waiting)
        self._misses.clear()
        while waiting:
            self._resolver.follow()
            self.world.follow(now_ms, watermark_ms, limit, interval_ms)
            these = self._fitting(waiting)
            if not these:  # one that is larger than all that is read at once
                self._host.apply_by_python(waiting.pop(0))
                continue
            waiting = [*self._run_some(these, now_ms), *waiting[len(these) :]]

    def _compiled_ones(self, works: list[Work]) -> list[Work]:
        """Inputs of sessions whose variants are served here; those of others are applied by the Python core."""
        served: list[Work] = []
        for work in works:
            if self.world.number_of(work.session_id) == ELSEWHERE:
                self._host.apply_by_python(work)
            else:
                served.append(work)
        return served

    def _fitting(self, waiting: list[Work]) -> list[Work]:
        """The first of the inputs that one call takes; lays them out with their sessions' names and states."""
        given, at = self._lay_given, 0
        numbers: dict[str, int] = {}
        these: list[Work] = []
        for work in waiting[:MOST_INPUTS]:
            session_id = work.session_id
            number = numbers.get(session_id)
            state = b""
            if number is None:
                number = len(numbers)
                state = self._host.get(session_id) or b""
            name = session_id.encode("utf-8", "replace")
            size = len(state) + len(name) + len(work.payload) + 3 * len(_GAP)
            if at + size > GIVEN_BYTES:
                break
            if session_id not in numbers:
                numbers[session_id] = number
                world = self.world.number_of(session_id)
                _state.pack_into(
                    self._lay_states, _state.size * number, self._given_at + at, len(state), 0, 0, 0, world
                )
                given[at : at + len(state)] = state
                at += len(state) + len(_GAP)
            text = b"".join((name, _GAP, work.payload, _GAP))
            given[at : at + len(text)] = text
            name_at = self._given_at + at
            _input.pack_into(
                self._lay_inputs,
                _input.size * len(these),
                work.kind,
                name_at + len(name) + len(_GAP),
                len(work.payload),
                work.at_ms,
                number,
                name_at,
                len(name),
            )
            at += len(text)
            these.append(work)
        given[at : at + len(_END)] = _END
        self._names = list(numbers)
        return these

    def _run_some(self, these: list[Work], now_ms: int) -> list[Work]:
        """One call; returns what is left to do, in order."""
        count = len(these)
        _outs.pack_into(self._lay_outs, 0, *self._begins)
        self._clear[: count * RESULT.itemsize] = bytes(count * RESULT.itemsize)
        self._call["n"] = count
        if memory.IS_CHECKED:
            memory.allow(self._regions())
        try:
            done = run_batch(self._call_at)
        except Exception as error:  # whatever went wrong inside, nothing of this call is kept
            self._host.failed(error)
            self._apply_each(these)
            return []
        finally:
            if memory.IS_CHECKED:
                memory.allow([])
        self.world.leave()
        self._put_states()
        self._count()
        left: list[Work] = []
        rows = self._results[:done].tolist()
        for work, row in zip(these, rows, strict=False):
            self._see_to(work, row, now_ms, left)
        return [*left, *these[done:]]

    def _apply_each(self, works: list[Work]) -> None:
        """Inputs of a call that failed, one by one by the Python core."""
        for work in works:
            if work.kind == PUBLISH:
                self._host.publish_by_python(work)
            else:
                self._host.apply_by_python(work)

    def _regions(self) -> list[tuple[int, int]]:
        arrays = [
            self._record,
            self._inputs,
            self._states,
            self._results,
            self._outs,
            self._ends,
            self._given,
            self._call,
        ]
        arrays += self._buffers
        return [(int(array.ctypes.data), int(array.nbytes)) for array in arrays] + self.world.regions()

    def _put_states(self) -> None:
        view, begin, put = self._views[O_STATE], self._begins[O_STATE], self._host.put
        for session_id, (_, _, at, size, changed, _) in zip(
            self._names, self._states[: len(self._names)].tolist(), strict=True
        ):
            if changed:
                put(session_id, bytes(view[at - begin : at - begin + size]))

    def _count(self) -> None:
        for counters, variant in zip(self._counters, self.world.variants, strict=True):
            counted = counters.tolist()
            for number, name in enumerate(COUNTERS):
                if counted[number]:
                    self._host.count(name, counted[number], variant)
                    counters[number] = 0
        size = int(self._outs[O_WANTED]) - self._begins[O_WANTED]
        if size:
            wanted = bytes(self._views[O_WANTED][: size - 1]).decode(
                errors="replace"
            )  # of a damaged state it may be no text
            self._host.want(wanted.split("\n"))

    def _see_to(self, work: Work, row: tuple[int, ...], now_ms: int, left: list[Work]) -> None:
        """Carries out what an input came to; appends to `left` what is to be done again."""
        status, publication = row[0], row[1]
        if status == APPLIED and publication <= PUBLISHED:
            self._host.carry_out(work, self._found(row))
        elif status == BEHIND:
            left.append(work)
        elif status == SLOW:
            self._host.apply_by_python(work)
        elif status == MISSED:
            if self._resolve(work, row, now_ms):
                left.append(work)
            else:
                self._host.apply_by_python(work)
        elif status != NOTHING:
            if status == ENDED:
                self._host.put(work.session_id, None)
            self._host.carry_out(work, self._found(row))
            is_repeat = work.kind == REPEAT  # what is pending stays so
            if publication == LACKS and self._resolve(work, row, now_ms):
                left.append(work if is_repeat else work._replace(kind=PUBLISH))
            elif publication in (LACKS, FOR_PYTHON):
                (self._host.apply_by_python if is_repeat else self._host.publish_by_python)(work)

    def _resolve(self, work: Work, row: tuple[int, ...], now_ms: int) -> bool:
        """Answers what an input asks for; False where it has asked too often, or by what is no text."""
        times = self._misses[id(work.given)] = self._misses.get(id(work.given), 0) + 1
        if times > MOST_MISSES:
            return False
        kind, at, size = row[_MISS : _MISS + 3]
        with suppress(UnicodeDecodeError):
            self._resolver.resolve(kind, self._cut(O_DECISION, at, size), now_ms)
            return True
        return False

    def _cut(self, buffer: int, at: int, size: int) -> bytes:
        start = at - self._begins[buffer]
        return bytes(self._views[buffer][start : start + size])

    def _found(self, row: tuple[int, ...]) -> Found:
        (status, _, timer, pending, profile, profile_len, decision, decision_len, outcome, outcome_len) = row[:10]
        example, example_len, n_example, accepted, accepted_len, version, updated_at_ms, generation, event_ms = row[
            10:19
        ]
        cut = self._cut
        return Found(
            status == ENDED,
            timer,
            pending,
            cut(O_PROFILE, profile, profile_len) if profile_len else b"",
            version,
            updated_at_ms,
            generation,
            cut(O_DECISION, decision, decision_len) if decision_len else b"",
            cut(O_OUTCOME, outcome, outcome_len) if outcome_len else b"",
            _array_head(n_example) + cut(O_EXAMPLE, example, example_len) if n_example else b"",
            cut(O_ACCEPTED, accepted, accepted_len) if accepted_len else b"",
            event_ms if row[22] else 0,
            bool(row[23]) or row[1] >= LACKS,
        )


def _array_head(count: int) -> bytes:
    """MessagePack's mark of an array of so many."""
    return bytes([0x90 | count]) if count < 16 else b"\xdc" + count.to_bytes(2, "big")


_MISS = list(RESULT.names or ()).index("miss_kind")


def _by_session(works: Iterable[Work]) -> list[Work]:
    """The inputs of each session one after the other, sessions in the order of their first."""
    found: defaultdict[str, list[Work]] = defaultdict(list)
    for work in works:
        found[work.session_id].append(work)
    return [work for of_session in found.values() for work in of_session]


_input, _state, _outs = Struct("7q"), Struct("6q"), Struct(f"{OUTS}q")
