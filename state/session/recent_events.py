"""The newest events of a session: bounded, in order, each once, whatever the order in which they arrive.

What is kept is always the newest part, by (timestamp, id), of everything that ever came. The horizon is the newest event
that had to go; what is not newer than it is dropped. So the same set of events gives the same log in any order of arrival.
"""

import enum
import hashlib
from bisect import bisect_left
from collections.abc import Callable

import msgspec

from state.events.event import EVENT_TYPES, Event

TOUCHES_PER_EVENT = 4
"""Products in a full log, as a multiple of its events: a bound for sessions of large checkouts."""

_KINDS: dict[str, int] = {name: kind for kind, name in enumerate(EVENT_TYPES)}
_VIEW = _KINDS["product_view"]
_UUID_MARK = b"\x00"
_CREDIT = "\x00"
"""In the bytes of an event, stands before each product in `LoggedEvent.credited`."""
_NO_BUNDLES: list[list[str]] = []


class InsertResult(enum.Enum):
    """Outcome of an insertion into the log."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    DROPPED = "dropped"


class LoggedEvent(msgspec.Struct, array_like=True, gc=False):
    """An event as the session keeps it.

    `identity` is packed (16 bytes for a UUID); `strength` is the weight's sign and size for feedback, 1 for other events;
    `reaction` is the slate that it reacts to and the products of `credited`, in one text because state holds them so;
    `categories` run parallel to `products` ("" where unknown); a category view has no product and one category. `bundles` are those
    that a checkout was complete of, each as its products, the primary first.
    """

    timestamp_ms: int
    identity: bytes
    kind: int
    products: list[str]
    categories: list[str]
    reaction: str = ""
    strength: float = 1.0
    bundles: list[list[str]] = []

    @property
    def decision_id(self) -> str:
        """The slate that it reacts to, empty for none."""
        return self.reaction.partition(_CREDIT)[0]

    @property
    def credited(self) -> list[str]:
        """Products whose reward went to an exposure of that slate that has closed."""
        return self.reaction.split(_CREDIT)[1:]

    def mark_credited(self, product_id: str) -> None:
        """Add a product to `credited`."""
        self.reaction += _CREDIT + product_id

    @property
    def event_type(self) -> str:
        """The type's name."""
        return EVENT_TYPES[self.kind]

    @property
    def event_id(self) -> str:
        """The identity as it came."""
        return unpack_identity(self.identity)

    @property
    def digest(self) -> bytes:
        """The identity in 8 bytes."""
        return hashlib.blake2b(self.identity, digest_size=8).digest()

    @property
    def order(self) -> tuple[int, str]:
        """Events are ordered by time, then by id."""
        return (self.timestamp_ms, self.event_id)


def pack_identity(identity: str) -> bytes:
    """Return an identity as bytes: a canonical UUID in 17, anything else as its UTF-8."""
    if len(identity) == 36 and identity[8] == "-":
        try:
            value = bytes.fromhex(identity.replace("-", ""))
        except ValueError:
            return identity.encode()
        if _uuid(value) == identity:
            return _UUID_MARK + value
    return identity.encode()


def unpack_identity(packed: bytes) -> str:
    """Invert `pack_identity`."""
    if packed[:1] == _UUID_MARK and len(packed) == 17:
        return _uuid(packed[1:])
    return packed.decode()


def _uuid(value: bytes) -> str:
    """The canonical form of a UUID's 16 bytes."""
    digits = value.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def logged(event: Event, categories: list[str], bundles: list[list[str]] = _NO_BUNDLES) -> LoggedEvent:
    """Return the event as the log keeps it; `categories` run parallel to `event.products()`, or hold the one that was viewed;
    `bundles` are those that it is a checkout of. A decision id with a NUL is none of ours, and names no slate."""
    decision_id = event.decision_id or ""
    return LoggedEvent(
        timestamp_ms=event.timestamp,
        identity=pack_identity(event.identity),
        kind=_KINDS[event.event_type],
        products=event.products(),
        categories=categories,
        reaction="" if _CREDIT in decision_id else decision_id,
        strength=float(event.feedback.strength) if event.feedback else 1.0,
        bundles=bundles,
    )


class RecentEvents(msgspec.Struct, array_like=True):
    """The log: `events` oldest first, and the horizon (0, "") while nothing had to go."""

    events: list[LoggedEvent] = []
    horizon: tuple[int, str] = (0, "")

    @property
    def newest(self) -> LoggedEvent | None:
        """The newest event by (timestamp, id)."""
        return self.events[-1] if self.events else None

    def viewed(self, limit: int) -> list[str]:
        """Return the products that were viewed last, each once, newest first."""
        products: list[str] = []
        for event in reversed(self.events):
            if event.kind == _VIEW:
                products += [product for product in event.products if product not in products]
                if len(products) >= limit:
                    break
        return products[:limit]

    def insert(self, event: LoggedEvent, max_events: int) -> tuple[InsertResult, list[LoggedEvent]]:
        """Insert the event, unless it is known or older than the horizon; also returns what had to go for it."""
        identity = event.identity
        for known in self.events:
            if known.identity == identity:
                return InsertResult.DUPLICATE, []
        if event.timestamp_ms <= self.horizon[0] and event.order <= self.horizon:
            return InsertResult.DROPPED, []
        self._insert_in_order(event)
        evicted = self._evict(max_events)
        if evicted and any(gone is event for gone in evicted):
            return InsertResult.DROPPED, [gone for gone in evicted if gone is not event]
        return InsertResult.APPLIED, evicted

    def complete(self, category_of: Callable[[str], str]) -> None:
        """Fill in categories that were not known when their events came, and are by now."""
        for event in self.events:
            if "" in event.categories and event.products:
                pairs = zip(event.categories, event.products, strict=True)
                event.categories = [category or category_of(product) for category, product in pairs]

    def forget_through(self, timestamp_ms: int) -> None:
        """Remove the events that are not later than the time."""
        self.events = [event for event in self.events if event.timestamp_ms > timestamp_ms]

    def _insert_in_order(self, event: LoggedEvent) -> None:
        if not self.events or self.events[-1].timestamp_ms < event.timestamp_ms:
            self.events.append(event)
        else:
            self.events.insert(bisect_left(self.events, event.order, key=lambda known: known.order), event)

    def _evict(self, max_events: int) -> list[LoggedEvent]:
        first = max(0, len(self.events) - max_events)
        touches = sum([len(event.products) for event in self.events[first:]])
        while touches > TOUCHES_PER_EVENT * max_events and first < len(self.events) - 1:
            touches -= len(self.events[first].products)
            first += 1
        if not first:
            return []
        evicted = self.events[:first]
        self.horizon = max(self.horizon, evicted[-1].order)
        del self.events[:first]
        return evicted
