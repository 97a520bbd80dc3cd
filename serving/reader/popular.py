"""A list of popular products, and its form as a profile for visitors of whom nothing is known."""

from typing import Any

import msgspec

from serving.reader.stored import MOST_BYTES

ALL = "_all"
MOST_ENTRIES = 1_000
CATEGORIES = 5
DIGITS = 6


class _Item(msgspec.Struct, gc=False):
    product_id: str
    score: float
    count: int = 0


class _Category(msgspec.Struct, gc=False):
    category_id: str
    score: float


class _Form(msgspec.Struct, gc=False):
    region: str
    updated_at: int
    items: list[_Item]
    window_ms: int = 0
    categories: list[_Category] = []


_decoder = msgspec.json.Decoder(_Form)
_encoder = msgspec.json.Encoder()


class PopularList:
    """List of a region, as profiles of up to `items` products; each length is put together once.

    Attributes:
        raw: as it stands in Redis.
        updated_at_ms: the end of the window that it counts, 0 for a list that never was.
    """

    def __init__(self, raw: bytes, form: _Form, items: int, refresh_after_ms: int) -> None:
        self.raw = raw
        self.updated_at_ms = form.updated_at
        self._form = form
        self._items = items
        self._refresh_after_ms = refresh_after_ms
        self._parts: dict[int, tuple[bytes, bytes]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether it lists nothing."""
        return not self._form.items

    def as_profile(self, session_id: str, limit: int | None) -> bytes:
        """Return the list as a profile of the session."""
        count = min(self._items, limit or self._items, max(1, len(self._form.items)))
        parts = self._parts.get(count)
        if parts is None:
            parts = self._parts[count] = self._around_the_session(count)
        return b"".join((parts[0], _encoder.encode(session_id), parts[1]))

    def _around_the_session(self, count: int) -> tuple[bytes, bytes]:
        before = {"schema": 1, "generation": 0, "version": 0, "updated_at": self.updated_at_ms}
        after: dict[str, Any] = {
            "event_time": 0,
            "refresh_after_ms": self._refresh_after_ms,
            "status": "cold",
            "policy": "popular",
            "variant": "",
            "model_version": 0,
            "decision_id": "",
            "score_data": self._score_data(count),
            "category_data": self._category_data(),
            "bundled_discount_suggestions": [],
            "trending_recommendations": [],
            "affinities": {"products": {}, "categories": {}},
            "windows": {"5m": {}, "1h": {}, "session": {}},
            "counts": {"applied": 0, "duplicates": 0, "dropped": 0},
            "last_event": None,
        }
        head = _encoder.encode(before)[:-1] + b',"session_id":'
        return head, b"," + _encoder.encode(after)[1:]

    def _score_data(self, count: int) -> list[dict[str, Any]]:
        """Return the first items with scores that sum to 1; each stands where it does for sure."""
        region = self._form.region
        reason: dict[str, Any] = {"code": "popular", "share": 1.0}
        if region != ALL:
            reason = {"code": "popular_in_region", "region": region, "share": 1.0}
        shares = _shares([item.score for item in self._form.items[:count]])
        return [
            {
                "product_id": item.product_id,
                "score": share,
                "propensity": 1.0,
                "explored": False,
                "pinned": False,
                "reasons": [reason],
            }
            for item, share in zip(self._form.items, shares, strict=False)
        ]

    def _category_data(self) -> list[dict[str, Any]]:
        listed = self._form.categories[:CATEGORIES]
        shares = _shares([category.score for category in listed])
        return [
            {"category_id": category.category_id, "score": share}
            for category, share in zip(listed, shares, strict=True)
        ]


def read_popular(raw: bytes, items: int, refresh_after_ms: int) -> PopularList | None:
    """Return the list that the bytes hold; None if they hold none."""
    if len(raw) > MOST_BYTES:
        return None
    try:
        form = _decoder.decode(raw.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if len(form.items) > MOST_ENTRIES or len(form.categories) > MOST_ENTRIES:
        return None
    if any(item.score < 0 for item in form.items) or any(category.score < 0 for category in form.categories):
        return None
    return PopularList(raw, form, items, refresh_after_ms)


def _shares(scores: list[float]) -> list[float]:
    """Return scores scaled to sum to 1; equal ones if all are 0."""
    total = sum(scores)
    if total <= 0:
        return [round(1 / max(1, len(scores)), DIGITS)] * len(scores)
    return [round(score / total, DIGITS) for score in scores]
