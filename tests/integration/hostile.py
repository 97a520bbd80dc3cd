"""Records that somebody sends by mistake or on purpose, on every topic that the job reads, as key and as value.

Without a key the broker itself takes none on a compacted topic.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from state.popularity.listing import Listing
from tests.integration.shop import now_ms

HALVES = ("s\ud83d", "\udc00s", "\ude00\ud83d", "a\ud800b")
"""Texts with half of a surrogate pair: JSON may write them, and no encoding has them."""
STRANGE = (
    "nul\0s",
    "esc\x1b[31m",
    "csi\x9b31m",
    "line\nend\r",
    "\x1e\x1f\x1d",
    "\u202eright-to-left",
    "\u2028line",
    "\uffff",
    "\U0001f600\U0010ffff",
    "[bold]markup[/]",
    "%s{0}'\"\\",
    "\ufffd",
)
"""Texts that are characters, though no sensible id has them."""
BYTES = (
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\xbd",
    b"\xc0\x80",
    b"\xf4\x90\x80\x80",
    b"{",
    b"null",
    b"\x01",
    b"\x01\xdd\xff\xff\xff\xff",
)
FIELDS = ("session_id", "event_id", "product_id", "category_id", "decision_id", "query", "region", "device", "user_id")


class Sent(NamedTuple):
    """A record; `reason` is what its dead letter is to say, "" where it is applied, None where either will do."""

    key: bytes | None
    value: bytes | None
    reason: str | None


def events(session_id: str) -> Iterator[Sent]:
    """Events of which those that are good are the session's."""
    for text in HALVES:
        for field in FIELDS:
            yield _event(session_id, "not_utf8", {field: text})
        yield _event(session_id, "not_utf8", {"items": [{"product_id": text}]})
        yield _event(session_id, "not_utf8", {"event_type": "impression", "decision_id": "d", "shown": [text]})
        yield _event(session_id, "not_utf8", {"context": {text: 1}})
        yield _event(session_id, "not_utf8", {"context": {"weather": text}})
        yield _event(session_id, "not_utf8", {"colour": text})  # of a field that is ignored, and is JSON of no text
    for text in STRANGE:
        for field in FIELDS[1:]:
            yield _event(session_id, "", {field: text})
        yield _event(
            session_id, "", {"event_type": "checkout", "items": [{"product_id": text}, {"product_id": "mixer"}]}
        )
        yield _event(session_id, "", {"context": {text: text}})
    for text in ("nul\0s", "esc\x1b[31m", "csi\x9b31m", "newline\n", "x" * 129, ""):
        yield _event(session_id, "invalid_value", {"session_id": text})
    unreadable: tuple[object, ...] = ("false", 0, "no", [])
    for granted in unreadable:
        yield _event(session_id, "wrong_type", {"event_type": "consent", "granted": granted})
    for value in BYTES:
        reason = {b"": "empty", b"null": "not_an_object"}.get(value)
        yield Sent(b"\xff\xfe\0", value, reason if reason else None)
        yield _event(session_id, "", {}, key=value)
    yield Sent(b"", None, "empty")


def products() -> Iterator[Sent]:
    """Records of `products`; what is listed has a category of its own."""
    for text in HALVES:
        for field in ("product_id", "category_id", "title"):
            half = {"product_id": "strange", "category_id": "strange"} | {field: text}
            yield Sent(b"strange", json.dumps(half).encode(), "not_utf8")
    for text in STRANGE:
        product: dict[str, Any] = {"product_id": text, "category_id": text, "title": text}
        product["attributes"] = {text: text}
        yield Sent(text.encode(), json.dumps(product).encode(), "")
        yield Sent(text.encode(), None, "")
    for value in BYTES:
        yield Sent(b"strange", value, "empty" if value == b"" else None)
    for key in (b"\xff", b"", b"x" * 129):
        yield Sent(key, None, "empty")


def bundles() -> Iterator[Sent]:
    """Records of `bundles`."""
    good = {"bundle_id": "b", "primary_product": "p", "bundle_items": ["q"], "discount": 0.1}
    for text in HALVES:
        for strange in ({"bundle_id": text}, {"primary_product": text}, {"bundle_items": [text]}):
            yield Sent(b"b", json.dumps(good | strange).encode(), "not_utf8")
    for text in STRANGE:
        yield Sent(text.encode(), json.dumps(good | {"bundle_id": text, "bundle_items": [text]}).encode(), "")
        yield Sent(text.encode(), None, "")
    for value in BYTES:
        yield Sent(b"\xff", value, None)
        yield Sent(value, None, "")


def user_lists() -> Iterator[Sent]:
    """Records of `user_lists`."""
    for text in HALVES:
        yield Sent(b"u", json.dumps({"user_id": text, "items": ["p"]}).encode(), "not_utf8")
        yield Sent(b"u", json.dumps({"user_id": "u", "items": [text]}).encode(), "not_utf8")
    for text in STRANGE:
        yield Sent(text.encode(), json.dumps({"user_id": text, "items": [text]}).encode(), "")
        yield Sent(text.encode(), None, "")
    for value in BYTES[2:6]:
        yield Sent(value, None, "not_utf8")
        yield Sent(b"u", value, None)


def session_hints(session_id: str) -> Iterator[Sent]:
    """Records of `session_hints`: nobody else writes there, but who can write to one topic can often write to all."""
    for value in BYTES:
        yield Sent(session_id.encode(), value, "invalid_value")
    yield Sent(b"\xff\xfe", b"\x01", "invalid_value")
    yield Sent(b"\xff\xfe", None, "invalid_value")


def popularity() -> Iterator[Sent]:
    """Records of `popularity`."""
    good = Listing(now_ms(), 60_000, 1, [("p", 1)], [], []).encode()
    for text in STRANGE:
        yield Sent(b"strange/" + text.encode(), good, "")
        yield Sent(b"strange/" + text.encode(), None, "")
    for value in BYTES:
        yield Sent(b"strange/\xff", value, "invalid_value")
    yield Sent(b"@moment/\xff", b"\x01\xff", "invalid_value")
    yield Sent(b"", good, "invalid_value")


def candidate_lists() -> Iterator[Sent]:
    """Records of `candidate_lists`."""
    for prefix in (b"category/", b"product/", b"together/bought/"):
        for name in (b"\xff\xfe", b"\0", *(text.encode() for text in STRANGE)):
            yield Sent(prefix + name, b"\x01\xff", "invalid_value")
            yield Sent(prefix + name, None, "")


def bandit_model() -> Iterator[Sent]:
    """Records of `bandit_model`, except the live model's own key: the tests of the model see to that."""
    for key in (b"", b"\xff", b"MODEL:\xff", b"COMMAND", b"COMMAND:\xff", b"MODEL@\xff", b"MODEL:\0+"):
        for value in (b"\xff\xfe", b"C\xff", b"U\xff", b"\0", b""):
            yield Sent(key, value, None)
    for text in STRANGE:
        yield Sent(b"MODEL:" + text.encode(), b"\xff", None)


def _event(session_id: str, reason: str, fields: dict[str, Any], key: bytes | None = None) -> Sent:
    event: dict[str, Any] = {
        "session_id": session_id,
        "event_type": "product_view",
        "timestamp": now_ms(),
        "product_id": "mixer",
        "category_id": "kitchen",
    } | fields
    return Sent(session_id.encode() if key is None else key, json.dumps(event).encode(), reason)
