"""A shop in time: many visits at once, one method that serves them all, and the books of every page."""

import heapq
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.method import Method, Page
from benchmarks.lab.spec import Spec
from benchmarks.lab.truth import START_MS, Truth
from benchmarks.lab.visit import Steps, Visit
from state.catalogue.product import Product
from state.events.event import Event


class _Due(NamedTuple):
    at_ms: int
    order: int
    what: Event | Product | Visit
    steps: Steps | None
    page: Page | None


class World:
    """Advances in steps. The same (spec, seed) sends the same visitors with the same luck to every method.

    Args:
        first_visitor: the number of the first; others than those of another run come with higher ones.

    `pages` has a row per page seen: time, value, best possible value, mean value of a uniform slate (expected clicks), and the
    page's number within its visit, from 0.
    """

    def __init__(self, spec: Spec, seed: int, first_visitor: int = 0) -> None:
        self.truth = Truth(spec, seed)
        self.now_ms = START_MS
        self.pages: list[tuple[int, float, float, float, int]] = []
        self.sessions: dict[str, int] = {}
        self._method: Method | None = None
        self._queue: list[_Due] = []
        self._pushed = 0
        self._luck = np.random.default_rng([seed, 6])
        for row in range(spec.products):
            self._push(int(self.truth.arrives_ms[row]), self.truth.product(row))
        gaps = np.random.default_rng([seed, 7]).exponential(spec.gap_ms, spec.visitors)
        for number, at_ms in enumerate(
            (START_MS + 1_000 + gaps.cumsum()).astype(np.int64).tolist(), start=first_visitor
        ):
            self.sessions[f"session-{number}"] = number
            visit = Visit(self.truth, number, lambda: self.now_ms, self._send, self._book)
            self._push(at_ms, visit, visit.steps())

    def step(self, method: Method) -> bool:
        """Brings about the next thing in time; False where nothing is left to happen."""
        if not self._queue:
            return False
        self._method = method
        due = heapq.heappop(self._queue)
        self.now_ms = due.at_ms
        if isinstance(due.what, Product):
            method.product(due.what, self.now_ms)
        elif isinstance(due.what, Event):
            method.event(due.what, self.now_ms)
        else:
            self._advance(due.what, due.steps, due.page, method)
        return True

    def run(self, method: Method) -> NDArray[np.float64]:
        """All steps; the pages (n, 5)."""
        while self.step(method):
            pass
        return np.array(self.pages)

    def chances(self, session_id: str) -> NDArray[np.float64]:
        """The truth about a session's visitor, for the optimum only."""
        return self.truth.chances(self.truth.visitor(self.sessions[session_id]), self.now_ms)

    def _advance(self, visit: Visit, steps: Steps | None, page: Page | None, method: Method) -> None:
        assert steps is not None
        try:
            pause_ms = steps.send(page)
        except StopIteration:
            return
        if pause_ms is None:
            answer = method.page(visit.session_id, self.truth.spec.shown, self.now_ms)
            self._push(self.now_ms, visit, steps, answer)
        else:
            self._push(self.now_ms + pause_ms, visit, steps)

    def _send(self, event: Event, is_reaction: bool) -> None:
        assert self._method is not None
        spec = self.truth.spec
        if is_reaction and spec.lost and self._luck.random() < spec.lost:
            return
        if is_reaction and spec.delay_ms:
            self._push(self.now_ms + int(self._luck.exponential(spec.delay_ms)), event)
        else:
            self._method.event(event, self.now_ms)

    def _book(self, at_ms: int, value: float, best: float, uniform: float, number: int) -> None:
        self.pages.append((at_ms, value, best, uniform, number))

    def _push(
        self, at_ms: int, what: Event | Product | Visit, steps: Steps | None = None, page: Page | None = None
    ) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, _Due(at_ms, self._pushed, what, steps, page))
