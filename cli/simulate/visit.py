"""One shopper's visit as a generator: it asks for pauses and profiles, and sends events, without knowing who answers."""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cli.simulate.lists import HELIOTROPE, Lists
from cli.simulate.results import Visit
from cli.simulate.shop import Shop, Shopper, Vector, best_mean

ITEMS_SEEN = 5
PAGES_MAX = 8
LEAVE_AFTER_PAGE = 0.3
LANDS_ON_PRODUCT = 0.7
ADDS_TO_CART = 0.25
CHECKS_OUT = 0.4
LOOK_S = (0.1, 0.4)  # before an act


class Pause(NamedTuple):
    """The shopper looks for so long."""

    seconds: float


class AwaitProfile(NamedTuple):
    """The shopper's page waits for a profile that knows the session's event of this time."""

    session_id: str
    event_ms: int


class Seen(NamedTuple):
    """Part of a profile that a page shows."""

    decision_id: str
    product_ids: Sequence[str]


Step = Pause | AwaitProfile
Script = Generator[Step, Seen | None, None]


class Shopping:
    """A visit of one session.

    Args:
        lists: where its pages come from; None for Heliotrope's profile.
        clock_ms: the wall clock, for the events' times, which always rise within a session.
        send: takes (session id, event).
    """

    def __init__(
        self,
        shop: Shop,
        shopper: Shopper,
        session_id: str,
        lists: Lists | None,
        rng: np.random.Generator,
        clock_ms: Callable[[], int],
        send: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.session_id = session_id
        self.visit = Visit(lists.name if lists else HELIOTROPE)
        self._shop = shop
        self._shopper = shopper
        self._rng = rng
        self._lists = lists
        self._clock_ms = clock_ms
        self._send = send
        self._last_ms = 0
        self._probabilities: Vector = shop.click_probabilities(shopper)
        self._best = best_mean(self._probabilities, ITEMS_SEEN)

    def script(self) -> Script:
        """Return the visit: land, then page after page until the shopper leaves."""
        self._land()
        for _ in range(PAGES_MAX):
            page = self._own_page(self._lists) if self._lists else (yield AwaitProfile(self.session_id, self._last_ms))
            if page is None:
                self.visit.missing_profiles += 1
                return
            self.visit.profiles += self._lists is None
            shown = list(page.product_ids[:ITEMS_SEEN])
            if not shown:
                self.visit.empty_lists += 1
            yield from self._look_at(page.decision_id, shown)
            if self._rng.random() < LEAVE_AFTER_PAGE:
                return

    def _look_at(self, decision_id: str, shown: list[str]) -> Script:
        """Sees the items, clicks some; every page ends with an event, so that its exposures are settled."""
        clicked = self._decide(shown)
        if shown:
            self._emit({"event_type": "impression", "decision_id": decision_id, "shown": shown})
        reaction = {} if self._lists else {"decision_id": decision_id}
        for row in clicked:
            yield Pause(self._rng.uniform(*LOOK_S))
            yield from self._click(row, reaction)
        if not clicked:
            yield Pause(self._rng.uniform(*LOOK_S))
            self._browse(shown)

    def _decide(self, shown: list[str]) -> list[int]:
        """Which items are clicked; books the page."""
        rows = [self._shop.row_of[product] for product in shown if product in self._shop.row_of]
        chances = self._probabilities[rows]
        clicked = [row for row, hit in zip(rows, self._rng.random(len(rows)) < chances, strict=True) if hit]
        if shown:
            visit = self.visit
            visit.pages += 1
            visit.shown += len(shown)
            visit.clicks += len(clicked)
            visit.best += self._best * len(shown)
        return clicked

    def _click(self, row: int, reaction: dict[str, Any]) -> Script:
        product = {"product_id": self._shop.product_ids[row], "category_id": self._shop.category_of(row), **reaction}
        self._emit({"event_type": "product_view", **product})
        if self._rng.random() < ADDS_TO_CART:
            yield Pause(self._rng.uniform(*LOOK_S))
            self._emit({"event_type": "add_to_cart", **product})
            if self._rng.random() < CHECKS_OUT:
                yield Pause(self._rng.uniform(*LOOK_S))
                item = {"product_id": product["product_id"], "quantity": 1, "price": self._shop.prices[row]}
                self._emit({"event_type": "checkout", "items": [item], **reaction})

    def _land(self) -> None:
        if self._rng.random() < LANDS_ON_PRODUCT:
            self._view_product(set())
        else:
            self._view_category()

    def _browse(self, shown: list[str]) -> None:
        """Moves on without the list: what was shown is not looked up elsewhere, or that would reward the list."""
        if self._rng.random() < LANDS_ON_PRODUCT:
            self._view_category()
        else:
            self._view_product(set(shown))

    def _view_category(self) -> None:
        self._emit({"event_type": "category_view", "category_id": self._shop.category_ids[self._liked_category()]})

    def _view_product(self, other_than: set[str]) -> None:
        members = self._shop.members[self._liked_category()]
        row = int(self._rng.choice(members))
        if self._shop.product_ids[row] in other_than:
            self._view_category()
            return
        category = self._shop.category_of(row)
        self._emit({"event_type": "product_view", "product_id": self._shop.product_ids[row], "category_id": category})

    def _liked_category(self) -> int:
        return self._shopper.liked[int(self._rng.random() < 0.3)]

    def _own_page(self, lists: Lists) -> Seen:
        """Its id names no decision of Heliotrope: it teaches nothing, and no list counts as seen unsaid."""
        return Seen(f"{lists.name}-{self.visit.events}", lists.page(ITEMS_SEEN, self._rng))

    def _emit(self, event: dict[str, Any]) -> None:
        self._last_ms = max(self._last_ms + 1, self._clock_ms())
        self.visit.events += 1
        event |= {
            "session_id": self.session_id,
            "event_id": f"{self.session_id}-{self.visit.events}",
            "timestamp": self._last_ms,
            "region": self._shopper.region,
            "device": self._shopper.device,
        }
        if self._lists:
            self._lists.learn(event)
        self._send(self.session_id, event)
