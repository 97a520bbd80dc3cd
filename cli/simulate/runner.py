"""Runs many visits on one thread: arrivals in open loop, pauses from a heap, profiles polled for all who wait."""

import heapq
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np

from cli.simulate.lists import Lists, PopularLists, UniformLists
from cli.simulate.profiles import ProfileReader
from cli.simulate.results import Results
from cli.simulate.shop import Shop, draw_shopper
from cli.simulate.visit import AwaitProfile, Pause, Script, Seen, Shopping

POLL_S = 0.004
LONGEST_SLEEP_S = 0.05
WAITS_KEPT = 20_000
MGET_MAX = 500


class Plan(NamedTuple):
    """Plan of what is to be simulated; `duration_s` None for without end.

    `control_share` of the sessions see random lists, `popularity_share` popular ones, of the rest at most, all others Heliotrope's.
    """

    sessions_per_second: float
    control_share: float
    seed: int
    duration_s: float | None
    popularity_share: float = 0.0
    patience_s: float = 2.0


class Clock(NamedTuple):
    """Time as the runner sees it: seconds that never go back, milliseconds since the epoch, and a way to wait."""

    seconds: Callable[[], float] = time.monotonic
    epoch_ms: Callable[[], int] = lambda: int(time.time() * 1_000)
    sleep: Callable[[float], None] = time.sleep


class _Waiting(NamedTuple):
    shopping: Shopping
    script: Script
    wait: AwaitProfile
    since_s: float


class Runner:
    """A simulation in progress.

    Args:
        send: takes (session id, JSON of an event).
    """

    def __init__(
        self,
        shop: Shop,
        plan: Plan,
        reader: ProfileReader,
        send: Callable[[str, bytes], None],
        clock: Clock | None = None,
    ) -> None:
        self.results = Results()
        self.waits_ms: deque[float] = deque(maxlen=WAITS_KEPT)
        self.active: dict[str, Shopping] = {}
        self.sent = 0
        self._uniform, self._popular = UniformLists(shop), PopularLists(shop, plan.seed)
        self._shop, self._plan, self._reader, self._send = shop, plan, reader, send
        self._clock = clock if clock is not None else Clock()
        self._heap: list[tuple[float, int, Shopping, Script, Seen | None]] = []
        self._waiting: list[_Waiting] = []
        self._sequence = 0
        self._arrived = 0
        self._run_id = f"{self._clock.epoch_ms():x}"
        self._started_s = self._clock.seconds()

    @property
    def elapsed_s(self) -> float:
        """Since the start."""
        return self._clock.seconds() - self._started_s

    def run(self, tick_s: float) -> Iterator[None]:
        """Simulate until the planned end, and yield every `tick_s` seconds for whoever watches.

        Visits that have not ended then count with the pages that they have seen.
        """
        next_tick_s = tick_s
        try:
            while self._plan.duration_s is None or self.elapsed_s < self._plan.duration_s:
                self._step()
                if self.elapsed_s >= next_tick_s:
                    next_tick_s = self.elapsed_s + tick_s
                    yield
        finally:
            for shopping in self.active.values():
                self.results.add(shopping.visit)
            self.active.clear()

    def _step(self) -> None:
        now_s = self._clock.seconds()
        while self._arrived < (now_s - self._started_s) * self._plan.sessions_per_second:
            self._arrive(now_s)
        while self._heap and self._heap[0][0] <= now_s:
            _, _, shopping, script, seen = heapq.heappop(self._heap)
            self._advance(shopping, script, seen)
        self._poll()
        due_s = self._heap[0][0] if self._heap else now_s + LONGEST_SLEEP_S
        next_arrival_s = self._started_s + self._arrived / self._plan.sessions_per_second
        wait_s = min(due_s, next_arrival_s, now_s + (POLL_S if self._waiting else LONGEST_SLEEP_S))
        self._clock.sleep(max(0.0, wait_s - self._clock.seconds()))

    def _arrive(self, now_s: float) -> None:
        self._arrived += 1
        rng = np.random.default_rng([self._plan.seed, self._arrived])
        shopping = Shopping(
            self._shop,
            draw_shopper(self._shop, rng),
            f"sim-{self._run_id}-{self._arrived}",
            self._lists(float(rng.random())),
            rng,
            self._clock.epoch_ms,
            self._send_event,
        )
        self.active[shopping.session_id] = shopping
        self._schedule(now_s, shopping, shopping.script(), None)

    def _lists(self, draw: float) -> Lists | None:
        """The arm's lists for a number in [0, 1)."""
        if draw < self._plan.control_share:
            return self._uniform
        return self._popular if draw < self._plan.control_share + self._plan.popularity_share else None

    def _schedule(self, at_s: float, shopping: Shopping, script: Script, seen: Seen | None) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at_s, self._sequence, shopping, script, seen))

    def _advance(self, shopping: Shopping, script: Script, seen: Seen | None) -> None:
        """Lets a visit go on until it asks for something."""
        try:
            step = script.send(seen)
        except StopIteration:
            del self.active[shopping.session_id]
            self.results.add(shopping.visit)
            return
        now_s = self._clock.seconds()
        if isinstance(step, Pause):
            self._schedule(now_s + step.seconds, shopping, script, None)
        else:
            self._waiting.append(_Waiting(shopping, script, step, now_s))

    def _poll(self) -> None:
        """Answers those whose profile is there, and those whose patience is over."""
        asked, self._waiting = self._waiting[:MGET_MAX], self._waiting[MGET_MAX:]
        answers = self._reader.read([waiting.wait for waiting in asked])
        now_s = self._clock.seconds()
        for waiting, seen in zip(asked, answers, strict=True):
            if seen is not None:
                self.waits_ms.append((now_s - waiting.since_s) * 1_000)
                self._advance(waiting.shopping, waiting.script, seen)
            elif now_s - waiting.since_s > self._plan.patience_s:
                self._advance(waiting.shopping, waiting.script, None)
            else:
                self._waiting.append(waiting)

    def _send_event(self, session_id: str, event: dict[str, Any]) -> None:
        self.sent += 1
        self._send(session_id, msgspec.json.encode(event))
