"""Visitors who look, click, come back late and say things twice; seeded, on the real stack."""

import json
from typing import Any, Literal

import numpy as np

from tests.integration.shop import Shop, now_ms

PRODUCTS = 12
LATEST_MS = 4_000
"""An event's timestamp lies at most so far behind its sending."""
Habit = Literal["explicit", "implicit", "late"]


class Visitor:
    """One session.

    `explicit` ones say what they saw, `implicit` ones never do, `late` ones begin to in their third round: what had been assumed of
    the list when the view came before the impression must be taken back.
    """

    def __init__(self, habit: Habit, seed: int) -> None:
        self.session = Shop.session()
        self._habit = habit
        self._rng = np.random.default_rng(seed)
        self._place = {"region": ("north", "south")[seed % 2]} if seed % 3 else {}
        self._sent: list[dict[str, Any]] = []
        self._rounds = 0

    def look(self, shop: Shop) -> dict[str, Any]:
        """The profile after everything that was sent."""
        return shop.profile_of_version(self.session, len(self._sent))

    def act(self, shop: Shop, profile: dict[str, Any] | None) -> None:
        """A view, what was seen of the profile, and what came of it: in disorder, some of it twice."""
        self._rounds += 1
        self._send(shop, "product_view", product_id=self._product())
        if profile is None or not profile["score_data"]:
            return
        if self._habit == "explicit" or (self._habit == "late" and self._rounds >= 3):
            items = [item["product_id"] for item in profile["score_data"]]
            shown = self._rng.permutation(items[: int(self._rng.integers(2, 7))]).tolist()
            self._send(shop, "impression", decision_id=profile["decision_id"], shown=shown)
        self._react(shop, profile)
        if self._rng.random() < 0.5:
            self._raw(shop, self._sent[int(self._rng.integers(len(self._sent)))])

    @property
    def said(self) -> int:
        """How many different events it sent."""
        return len(self._sent)

    def leave(self, shop: Shop) -> str:
        """A last event, which publishes a profile that knows all before it; its id."""
        self._send(shop, "search", late=False, query="the way out")
        return str(self._sent[-1]["event_id"])

    def _react(self, shop: Shop, profile: dict[str, Any]) -> None:
        product = profile["score_data"][int(self._rng.integers(min(5, len(profile["score_data"]))))]["product_id"]
        names = {"decision_id": profile["decision_id"]} if self._rng.random() < 0.5 else {}
        match int(self._rng.integers(5)):
            case 0:
                self._send(shop, "add_to_cart", product_id=product, **names)
            case 1:
                self._send(shop, "checkout", items=[{"product_id": product}, {"product_id": self._product()}], **names)
            case 2:
                value = int(self._rng.integers(1, 6))
                self._send(shop, "feedback", product_id=product, feedback={"kind": "rating", "value": value}, **names)
            case _:
                self._send(shop, "product_view", product_id=product, **names)

    def _send(self, shop: Shop, event_type: str, late: bool = True, **fields: Any) -> None:
        late_ms = int(self._rng.integers(LATEST_MS)) if self._rng.random() < 0.3 else 0
        late_ms = late_ms if late else 0
        event = {"session_id": self.session, "event_type": event_type, "timestamp": now_ms() - late_ms}
        event |= {"event_id": f"{self.session}-{len(self._sent)}"} | self._place | fields
        self._sent.append(event)
        self._raw(shop, event)

    def _raw(self, shop: Shop, event: dict[str, Any]) -> None:
        shop.raw(json.dumps(event).encode(), self.session.encode())

    def _product(self) -> str:
        return f"thing-{self._rng.integers(PRODUCTS)}"
