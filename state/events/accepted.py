"""What the session operator tells the rest of the job of an event that it accepted: valid, no duplicate, consented.

Text, since SQL takes it apart. A line for each product of a view, a cart or a checkout, separated by `LINE`; in it, separated by
`FIELD`: time in ms, event type, region, product, category, the user's hash, what is known of the moment, and the products that go
with it; the last two are lists, separated by `ENTRY`. What is not known is empty.
"""

from collections.abc import Sequence
from typing import NamedTuple

from state.events.event import Event

LINE, FIELD, ENTRY = "\x1e", "\x1f", "\x1d"
COUNTED_TYPES = frozenset({"product_view", "add_to_cart", "checkout"})
MOST_CO_VIEWED = 3
"""Products that the session viewed before, newest first."""
MOST_CO_PURCHASED = 19
"""Other products of the same checkout."""

_SEPARATORS = str.maketrans(dict.fromkeys((LINE, FIELD, ENTRY), " "))


def accepted_lines(
    event: Event,
    categories: Sequence[str],
    viewed: Sequence[str],
    moment: Sequence[str],
    user: str,
    region: str | None = None,
) -> str | None:
    """Return the lines of an event, None where it is of no type that counts.

    `categories` run parallel to the event's products; `viewed` are products of the session's earlier views, newest first;
    `moment` names what is known of the moment; `user` is the user's hash, "" for none;
    `region` is what is counted as the event's region, "" for none, None for what the event says.
    """
    if event.event_type not in COUNTED_TYPES:
        return None
    products = [_plain(product) for product in event.products()]
    others, most = (products, MOST_CO_PURCHASED) if event.event_type == "checkout" else (viewed, MOST_CO_VIEWED)
    head = (
        f"{event.timestamp}{FIELD}{event.event_type}{FIELD}{_plain((event.region or '') if region is None else region)}"
    )
    tail = f"{user}{FIELD}{ENTRY.join(map(_plain, moment))}"
    lines = []
    for product, category in zip(products, categories, strict=True):
        partners = [_plain(other) for other in others if other != product][:most]
        lines.append(FIELD.join((head, product, _plain(category), tail, ENTRY.join(partners))))
    return LINE.join(lines)


class AcceptedEvent(NamedTuple):
    """An accepted event as its lines tell it: `categories` run parallel to `products`, "" where unknown."""

    timestamp_ms: int
    event_type: str
    products: list[str]
    categories: list[str]


def read_accepted(lines: str) -> AcceptedEvent:
    """Return the event behind the lines that `accepted_lines` made."""
    products, categories = [], []
    fields: list[str] = []
    for line in lines.split(LINE):
        fields = line.split(FIELD, _CATEGORY + 1)
        products.append(fields[_PRODUCT])
        categories.append(fields[_CATEGORY])
    return AcceptedEvent(int(fields[0]), fields[1], products, categories)


def read_time_and_user(lines: str) -> tuple[int, str]:
    """Return the time in ms of an event that `accepted_lines` told of, and the user's hash, "" for none."""
    fields = lines.split(FIELD, _USER + 1)
    return int(fields[0]), fields[_USER]


_PRODUCT, _CATEGORY, _USER = 3, 4, 5


def _plain(text: str) -> str:
    """The text without separators, which no sensible id holds."""
    return text if text.isprintable() else text.translate(_SEPARATORS)
