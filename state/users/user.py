"""What is kept of a user over sessions and channels: affinities, the newest sessions, and the user's list.

Affinities are forward-decayed sums (Cormode et al. 2009, "Forward decay: a practical time decay model for streaming systems"): an
event of weight w at t adds w · 2^((t - L) / h), and stands for that times 2^((L - now) / h). The landmark L is the last whole
multiple of the half-life h before the newest event and moves by whole half-lives, so by exact powers of two.

Sums do not depend on the order of arrival except for the rounding of additions, at most 1e-12 of the sum for a thousand events,
while no more than `PRODUCTS_MOST` products and `CATEGORIES_MOST` categories have come. Beyond that the lowest have to go, and what
returns later begins anew: a sum is then never too large, and lacks at most what had to go of that product or category.
"""

from collections.abc import Sequence

import msgspec

from state.codec import unpack
from state.configuration import Weights
from state.decay import decay_between, landmark_of, landmark_scale
from state.events.accepted import AcceptedEvent
from state.session.hint import Hint
from state.session.interest import largest, weights_by_type

_VERSION = b"\x01"
PRODUCTS_MOST, PRODUCTS_KEPT = 100, 50
"""Products held at most, and how many stay when more come: a newcomer has time to prove itself."""
CATEGORIES_MOST, CATEGORIES_KEPT = 40, 20
PRODUCTS_HINTED, CATEGORIES_HINTED = 20, 10
SESSIONS_KEPT = 16
"""A user's newest sessions, which are told when the user is forgotten."""


class User(msgspec.Struct, array_like=True):
    """A user. Times in ms since the epoch, 0 for never.

    `products`, `categories` and `total` (of all events) are sums relative to `landmark_ms` under `half_life_ms`; `seen_ms` is the
    newest event, `items` the user's list as of `listed_ms`. Nothing that is not later than `forgotten_ms` is taken in. `sessions`
    are the newest that met this user, oldest first, and `timer_ms` the event-time timer that is set.
    """

    half_life_ms: int = 0
    landmark_ms: int = 0
    products: dict[str, float] = {}
    categories: dict[str, float] = {}
    total: float = 0.0
    seen_ms: int = 0
    items: list[str] = []
    listed_ms: int = 0
    forgotten_ms: int = 0
    sessions: list[str] = []
    timer_ms: int = 0

    def learn(self, events: Sequence[AcceptedEvent], weights: Weights, half_life_ms: int) -> int:
        """Add accepted events, and return how many were left out, as they are not later than what was forgotten."""
        usable = [event for event in events if event.timestamp_ms > self.forgotten_ms]
        if usable:
            self.seen_ms = max(self.seen_ms, *(event.timestamp_ms for event in usable))
            self._move(half_life_ms)
            weight_of = weights_by_type(weights)
            for event in usable:
                self._add(event, weight_of.get(event.event_type, 0.0))
            self.products = _bounded(self.products, PRODUCTS_MOST, PRODUCTS_KEPT)
            self.categories = _bounded(self.categories, CATEGORIES_MOST, CATEGORIES_KEPT)
        return len(events) - len(usable)

    def meet(self, session_id: str, at_ms: int) -> bool:
        """Remember a session that met the user; False where that was before the user was forgotten."""
        if at_ms <= self.forgotten_ms:
            return False
        self.sessions = [*(known for known in self.sessions if known != session_id), session_id][-SESSIONS_KEPT:]
        self.seen_ms = max(self.seen_ms, at_ms)
        return True

    def hint(self, user_hash: str, at_ms: int) -> Hint:
        """Return what is known, with affinities as of `at_ms` or the newest event, whichever is later."""
        fade = 0.0
        if self.half_life_ms:
            fade = decay_between(self.landmark_ms, max(at_ms, self.seen_ms), self.half_life_ms)
        return Hint(
            user_hash,
            self.seen_ms,
            self.total * fade,
            {name: value * fade for name, value in largest(self.products, PRODUCTS_HINTED)},
            {name: value * fade for name, value in largest(self.categories, CATEGORIES_HINTED)},
            self.items,
        )

    def apply_list(self, items: list[str], at_ms: int) -> bool:
        """Take over the user's list; False where it is not later than what was forgotten."""
        if at_ms <= self.forgotten_ms:
            return False
        self.items, self.listed_ms = items, at_ms if items else 0
        return True

    def forget(self, at_ms: int) -> list[str]:
        """Forget everything, and until then nothing is taken in again; return the sessions that are to hear of it.

        Sums cannot be taken apart, so what came after `at_ms` and was there already goes as well.
        """
        sessions, mark_ms, timer_ms = self.sessions, max(self.forgotten_ms, at_ms), self.timer_ms
        self._become(User(forgotten_ms=mark_ms, timer_ms=timer_ms))
        return sessions

    def expire(self, time_ms: int, ttl_ms: int, mark_ms: int) -> int | None:
        """Drop what is over at `time_ms`: `ttl_ms` after the newest event or the list, `mark_ms` after an erasure.

        Returns when the next of what remains is over, None where nothing remains.
        """
        if self.seen_ms + ttl_ms <= time_ms:
            self._become(
                User(items=self.items, listed_ms=self.listed_ms, forgotten_ms=self.forgotten_ms, timer_ms=self.timer_ms)
            )
        if self.listed_ms + ttl_ms <= time_ms:
            self.items, self.listed_ms = [], 0
        if self.forgotten_ms + mark_ms <= time_ms:
            self.forgotten_ms = 0
        return self.ends_ms(ttl_ms, mark_ms)

    def ends_ms(self, ttl_ms: int, mark_ms: int) -> int | None:
        """Return when the first of what is held is over, None where nothing is held."""
        ends = (
            (self.seen_ms, ttl_ms),
            (self.listed_ms, ttl_ms),
            (self.forgotten_ms, mark_ms),
        )
        return min((since_ms + life_ms for since_ms, life_ms in ends if since_ms), default=None)

    def encode(self) -> bytes:
        """Return versioned bytes for Flink's state."""
        return _VERSION + _encoder.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> "User":
        """Invert `encode`.

        Raises:
            UnreadableError: the version is unknown, or the bytes are damaged.
        """
        return unpack(data, (_VERSION,), _decoder, "a user")

    def _add(self, event: AcceptedEvent, weight: float) -> None:
        """As in a session: an event counts once for each of its products, and once for each of their categories."""
        weighted = weight * decay_between(event.timestamp_ms, self.landmark_ms, self.half_life_ms)
        self.total += weighted
        for product in event.products:
            self.products[product] = self.products.get(product, 0.0) + weighted
        for category in dict.fromkeys(event.categories):
            if category:
                self.categories[category] = self.categories.get(category, 0.0) + weighted

    def _move(self, half_life_ms: int) -> None:
        """Brings the landmark to the newest event's, under another half-life as well."""
        landmark_ms = landmark_of(self.seen_ms, half_life_ms)
        if half_life_ms == self.half_life_ms:
            if landmark_ms != self.landmark_ms:
                self._scale(landmark_scale(self.landmark_ms, landmark_ms, half_life_ms))
        elif self.half_life_ms:  # as of the newest event from then on
            old = (self.landmark_ms - self.seen_ms) / self.half_life_ms
            self._scale(2.0 ** (old + (self.seen_ms - landmark_ms) / half_life_ms))
        self.half_life_ms, self.landmark_ms = half_life_ms, landmark_ms

    def _scale(self, factor: float) -> None:
        self.total *= factor
        self.products = {name: value * factor for name, value in self.products.items()}
        self.categories = {name: value * factor for name, value in self.categories.items()}

    def _become(self, other: "User") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(other, name))


def _bounded(sums: dict[str, float], most: int, kept: int) -> dict[str, float]:
    return sums if len(sums) <= most else dict(largest(sums, kept))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(User)
