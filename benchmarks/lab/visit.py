"""One visitor's way through the shop, as a generator: pauses, events, and pages that it asks for."""

from collections.abc import Callable, Generator
from typing import Any

import msgspec
import numpy as np

from benchmarks.lab.method import Page
from benchmarks.lab.truth import LIKED_FROM, Truth
from state.events.event import Event

PAGES_MAX = 12
LOOK_MS = (3_000, 12_000)
BROWSES_PRODUCT = 0.4
LEAVES_SILENTLY = 0.5
ADDS_TO_CART = 0.25
CHECKS_OUT = 0.4

Steps = Generator[int | None, Page | None, None]
"""Yields a pause in ms, or None to ask for a page, which is then sent in."""


class Visit:
    """A visit. Everything random is drawn by (seed, visitor, page), so that all methods meet the same people and luck.

    Args:
        send: takes an event, and whether it is a reaction to a page (which may be delayed or lost on its way).
        book: takes (time, value of the page, value of the best, mean value of a uniform one, the page's number in the visit).
    """

    def __init__(
        self,
        truth: Truth,
        number: int,
        clock: Callable[[], int],
        send: Callable[[Event, bool], None],
        book: Callable[[int, float, float, float, int], None],
    ) -> None:
        self.session_id = f"session-{number}"
        self._truth, self._number, self._clock, self._send, self._book = truth, number, clock, send, book
        self._visitor = truth.visitor(number)
        self._rng = np.random.default_rng([truth.seed, 3, number])
        liked = np.where(self._visitor.match >= LIKED_FROM, self._visitor.match, 0.0)
        self._browsed = liked / liked.sum()
        self._last_ms = 0
        self._sent = 0

    def steps(self) -> Steps:
        """Lands, looks at pages, leaves."""
        first_steps = int(self._rng.integers(1, 4))
        if self._truth.spec.lands_anywhere:
            row = int(self._rng.integers(self._truth.spec.products))
            self._emit("product_view", **self._named(row))
            yield self._pause(self._rng)
            first_steps = 0
        for _ in range(first_steps):
            self._browse(self._rng, ())
            yield self._pause(self._rng)
        pages = min(PAGES_MAX, int(self._rng.geometric(1 / self._truth.spec.pages_mean)))
        for number in range(pages):
            page = yield None
            assert page is not None
            yield from self._look(page, number, is_last=number == pages - 1)

    def _look(self, page: Page, number: int, *, is_last: bool) -> Steps:
        rng = np.random.default_rng([self._truth.seed, 4, self._number, number])
        truth, now_ms = self._truth, self._clock()
        chances = truth.chances(self._visitor, now_ms)
        rows = [truth.row_of[product] for product in page.product_ids]
        best = truth.slate_value(chances, truth.best_slate(chances))
        self._book(now_ms, truth.slate_value(chances, rows), best, truth.uniform_value(chances, now_ms), number)
        luck, looks = rng.random(truth.spec.products), rng.random(truth.spec.shown)
        if rows:
            self._emit("impression", decision_id=page.decision_id, shown=page.product_ids)
        seen = looks[: len(rows)] < truth.examination()[: len(rows)]
        clicked = [row for row, is_seen in zip(rows, seen, strict=True) if is_seen and luck[row] < chances[row]]
        if truth.spec.acts_once:
            clicked = clicked[:1]
        yield self._pause(rng)
        for row in clicked:
            yield from self._click(row, page.decision_id)
        if not clicked and not (is_last and rng.random() < LEAVES_SILENTLY):
            self._browse(rng, page.product_ids)
            yield self._pause(rng)

    def _click(self, row: int, decision_id: str) -> Steps:
        rng = np.random.default_rng([self._truth.seed, 5, self._number, row])
        product = {**self._named(row), "decision_id": decision_id}
        self._emit("product_view", True, **product)
        yield self._pause(rng)
        if rng.random() < ADDS_TO_CART:
            self._emit("add_to_cart", True, **product)
            yield self._pause(rng)
            if rng.random() < CHECKS_OUT:
                self._emit("checkout", True, **product)
                yield self._pause(rng)

    def _browse(self, rng: np.random.Generator, shown: list[str] | tuple[str, ...]) -> None:
        """Looks around on the visitor's own account: a liked category, or a product there other than those shown."""
        code = int(rng.choice(len(self._browsed), p=self._browsed))
        kind, pick = rng.random(), rng.random()
        chances = self._truth.chances(self._visitor, self._clock())[self._truth.members[code]]
        if kind < BROWSES_PRODUCT and chances.any():
            total = chances.cumsum()
            row = int(self._truth.members[code][total.searchsorted(pick * total[-1], side="right")])
            if self._truth.product_ids[row] not in shown:
                self._emit("product_view", **self._named(row))
                return
        self._emit("category_view", category_id=f"category-{code}")

    def _named(self, row: int) -> dict[str, str]:
        truth = self._truth
        return {"product_id": truth.product_ids[row], "category_id": f"category-{truth.category[row]}"}

    def _emit(self, event_type: str, is_reaction: bool = False, /, **fields: Any) -> None:
        self._last_ms = max(self._last_ms + 1, self._clock())
        self._sent += 1
        event = {
            "session_id": self.session_id,
            "event_id": f"{self._number}-{self._sent}",
            "event_type": event_type,
            "timestamp": self._last_ms,
            self._truth.spec.told: self._visitor.region,
            **fields,
        }
        self._send(msgspec.convert(event, Event), is_reaction)

    def _pause(self, rng: np.random.Generator) -> int:
        return int(rng.integers(*LOOK_MS))
