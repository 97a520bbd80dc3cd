"""What any learner besides Heliotrope needs: a session's interest from its events, and impressions joined with their clicks."""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from state.configuration import Decay, Weights
from state.events.event import Event
from state.session.interest import Interest, interest
from state.session.recent_events import LoggedEvent, logged

Shown = TypeVar("Shown")
JOIN_MS = 60_000
REWARDING = ("product_view", "add_to_cart", "checkout")


@dataclass
class Waiting(Generic[Shown]):
    """An impression that waits for its clicks: what the method wants to know again of each product, and who was clicked."""

    due_ms: int
    shown: dict[str, Shown]
    clicked: set[str] = field(default_factory=set)


class Joiner(Generic[Shown]):
    """Holds impressions for `join_ms`, as systems that learn from a joined log do; a later click is lost."""

    def __init__(self, join_ms: int = JOIN_MS) -> None:
        self._join_ms = join_ms
        self._published: dict[str, dict[str, Shown]] = {}
        self._waiting: dict[str, Waiting[Shown]] = {}
        self._order: deque[str] = deque()

    def publish(self, decision_id: str, shown: dict[str, Shown]) -> None:
        """Remembers what a slate was made of."""
        self._published[decision_id] = shown

    def apply(self, event: Event, now_ms: int) -> None:
        """An impression begins to wait, a reaction is noted with it."""
        decision_id = event.decision_id or ""
        if event.event_type == "impression" and decision_id in self._published:
            self._waiting[decision_id] = Waiting(now_ms + self._join_ms, self._published.pop(decision_id))
            self._order.append(decision_id)
        elif event.event_type in REWARDING and decision_id in self._waiting:
            self._waiting[decision_id].clicked.update(event.products())

    def due(self, now_ms: int) -> list[Waiting[Shown]]:
        """Impressions whose wait is over, oldest first."""
        done = []
        while self._order and self._waiting[self._order[0]].due_ms <= now_ms:
            done.append(self._waiting.pop(self._order.popleft()))
        return done


class Sessions:
    """Every session's events, and the interest that follows from them: the same sums that Heliotrope computes."""

    def __init__(self) -> None:
        self._events: dict[str, list[LoggedEvent]] = {}
        self._category_of: dict[str, str] = {}
        self._vain: dict[str, dict[str, int]] = {}

    def list_product(self, product_id: str, category_id: str) -> None:
        """Where an event does not say its product's category, this does."""
        self._category_of[product_id] = category_id

    def apply(self, event: Event) -> None:
        """An event of a session."""
        if event.event_type == "impression":
            vain = self._vain.setdefault(event.session_id, {})
            for product in event.shown or ():
                vain[product] = vain.get(product, 0) + 1
            return
        for product in event.products():
            self._vain.get(event.session_id, {}).pop(product, None)
        categories = [self._category_of.get(product, "") for product in event.products()] or [event.category_id or ""]
        self._events.setdefault(event.session_id, []).append(logged(event, categories))

    def interest(self, session_id: str) -> Interest:
        """Affinities by product and category."""
        return interest(self._events.get(session_id, []), Weights(), Decay())

    def last_category(self, session_id: str) -> str:
        """The category of the newest event."""
        events = self._events.get(session_id)
        return events[-1].categories[0] if events else ""

    def shown_unrewarded(self, session_id: str) -> dict[str, int]:
        """How often products were shown without a click since."""
        return self._vain.get(session_id, {})
