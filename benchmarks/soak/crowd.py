"""Shoppers for as long as needed: some new, some who come back, most of whom say what they see. Seeded, and of constant size."""

import json
import random
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

ACTIVE = 400
"""Sessions that are there at any time."""
ENDS = 0.05
"""An event is its session's last with this probability, so they have twenty on average."""
COMES_BACK = 0.3
"""Of those who take the place of one that ended."""
REMEMBERED = 500
"""The last that ended, of whom one comes back: at 150 events/s they left within the last minute or two."""
LONGEST = 100
"""Events of a session, fewer than it keeps."""
GARBAGE, TWICE = 0.002, 0.02
REGIONS = ("EU", "US", "JP", "BR")
PRODUCTS, CATEGORIES = 1_000, 20
Profile = dict[str, Any] | None


class Sending(NamedTuple):
    """A record to send; `version` is that of the profile which knows it, 0 where none is to come of it."""

    session: str
    value: bytes
    version: int


class Shopper:
    """One session: how many of its events were sent, and what it said last."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.name, self.sent, self.last = name, 0, b""
        self.region = rng.choice(REGIONS)
        self.category = rng.randrange(CATEGORIES)
        self.user = f"user-{rng.randrange(5_000)}" if rng.random() < 0.3 else None
        self.seen = ""


class Crowd:
    """The next record at each call; `look` reads a session's profile as it is now."""

    def __init__(self, seed: int, look: Callable[[str], Profile], name: str) -> None:
        self._rng = random.Random(seed)
        self._look, self._name = look, name
        self._begun = 0
        self._left: deque[Shopper] = deque(maxlen=REMEMBERED)
        self._active = [self._newcomer() for _ in range(ACTIVE)]

    def next(self, now_ms: int) -> Sending:
        """An event, a repeated one, or garbage."""
        rng = self._rng
        place = rng.randrange(ACTIVE)
        shopper = self._active[place]
        if rng.random() < GARBAGE:
            return Sending(
                shopper.name, b'{"session_id": "' + shopper.name.encode() + b'", "event_type": "no such"}', 0
            )
        if shopper.last and rng.random() < TWICE:
            return Sending(shopper.name, shopper.last, 0)
        fields = self._act(shopper)
        shopper.sent += 1
        event = {"session_id": shopper.name, "timestamp": now_ms, "event_id": f"{shopper.name}-{shopper.sent}"} | fields
        event |= {"region": shopper.region} | ({"user_id": shopper.user} if shopper.user else {})
        shopper.last = json.dumps(event).encode()
        if rng.random() < ENDS or shopper.sent >= LONGEST:
            self._active[place] = self._next_shopper(shopper)
        is_quiet = fields["event_type"] == "impression"
        return Sending(shopper.name, shopper.last, 0 if is_quiet else shopper.sent)

    def _act(self, shopper: Shopper) -> dict[str, Any]:
        """Looks at the list if there is a new one, else clicks on it or goes on alone."""
        rng = self._rng
        profile = self._look(shopper.name) if rng.random() < 0.6 else None
        if profile is not None and profile["score_data"]:
            decision, items = profile["decision_id"], [item["product_id"] for item in profile["score_data"]]
            if decision != shopper.seen:
                shopper.seen = decision
                return {"event_type": "impression", "decision_id": decision, "shown": items[: rng.randint(4, 12)]}
            kind = rng.choices(("product_view", "add_to_cart", "checkout"), (0.8, 0.15, 0.05))[0]
            return {"event_type": kind, "decision_id": decision, "product_id": rng.choice(items[:8])}
        if rng.random() < 0.1:
            return {"event_type": "category_view", "category_id": f"c{shopper.category}"}
        product = shopper.category + CATEGORIES * rng.randrange(PRODUCTS // CATEGORIES)
        return {"event_type": "product_view", "product_id": f"p{product}", "category_id": f"c{shopper.category}"}

    def _next_shopper(self, gone: Shopper) -> Shopper:
        if self._rng.random() < COMES_BACK and len(self._left) == REMEMBERED:
            back = self._left[self._rng.randrange(REMEMBERED)]
            self._left.remove(back)
        else:
            back = self._newcomer()
        if gone.sent < LONGEST:
            self._left.append(gone)
        return back

    def _newcomer(self) -> Shopper:
        self._begun += 1
        return Shopper(f"soak-{self._name}-{self._begun}", self._rng)


def catalogue() -> list[tuple[str, bytes]]:
    """Products by key."""
    found = []
    for number in range(PRODUCTS):
        product = {"product_id": f"p{number}", "category_id": f"c{number % CATEGORIES}", "price": 5.0 + number % 97}
        product |= {"rating": 2.5 + number % 5 / 2, "rating_count": number % 300}
        found.append((f"p{number}", json.dumps(product).encode()))
    return found
