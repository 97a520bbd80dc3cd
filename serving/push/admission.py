"""Who may open a stream: session id, token, what was seen before, and room for one more."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from starlette.types import Scope

from serving.access import SessionAccess, header_of, query_of, session_of
from serving.problems import Refusal
from serving.push import metrics
from serving.push.feed import Feed
from serving.push.hub import Hub
from serving.push.position import parse_event_id
from state.configuration import Serving

Kind = Literal["stream", "socket"]
RETRY_FULL_S, RETRY_SESSION_S = 10, 30
NOTHING_SEEN = (0, 0)


class Visit(NamedTuple):
    """Request for a stream that may be served, as far as the request alone says."""

    session_id: str
    seen: tuple[int, int] | None
    ends_at_s: float | None


class Admission:
    """Bounds of one worker's streams."""

    def __init__(
        self, hub: Hub, serving: Serving, access: SessionAccess, no_streams: asyncio.Event | None = None
    ) -> None:
        """Take what is needed to judge a request; `no_streams` is kept set while none is open."""
        self._hub = hub
        self._streams = serving.streams
        self._origins = frozenset(serving.origins)
        self._access = access
        self._open: Counter[Kind] = Counter()
        self._no_streams = no_streams or asyncio.Event()

    def examine(self, scope: Scope) -> Visit:
        """Read the request.

        Raises:
            Refusal: 400, 401.
        """
        session_id = session_of(scope)
        expires_at_ms = self._access.check(scope, session_id)
        ends_at_s = None if expires_at_ms is None else time.monotonic() + expires_at_ms / 1_000 - time.time()
        return Visit(session_id, _seen(scope), ends_at_s)

    @contextmanager
    def admit(self, visit: Visit, kind: Kind) -> Iterator[Feed]:
        """Hold a place for as long as the block lasts.

        Raises:
            Refusal: 429, the session has too many; 503, the worker has too many or is stopping.
        """
        self._check_room(visit.session_id, kind)
        self._open[kind] += 1
        self._no_streams.clear()
        metrics.STREAMS.labels(kind).inc()
        try:
            with self._hub.follow(visit.session_id) as watch:
                yield Feed(watch, visit.seen, self._streams, visit.ends_at_s)
        finally:
            self._open[kind] -= 1
            if not self._open.total():
                self._no_streams.set()
            metrics.STREAMS.labels(kind).dec()

    def admits_origin(self, scope: Scope) -> bool:
        """Say if the request's page may read answers: one of this server or of `serving.origins`. What is no browser names none."""
        origin = header_of(scope, b"origin")
        if origin is None or "*" in self._origins:
            return True
        own = (b"http://%b", b"https://%b")  # a proxy may have taken TLS off
        host = header_of(scope, b"host") or b""
        return origin.decode("latin-1") in self._origins or origin in [form % host for form in own]

    def _check_room(self, session_id: str, kind: Kind) -> None:
        if self._hub.is_closed:
            raise Refusal(503, "the server is about to stop: try again", headers={"retry-after": "1"})
        if self._open.total() >= self._streams.max or (
            kind == "socket" and self._open[kind] >= self._streams.max_sockets
        ):
            metrics.REFUSED.labels("worker").inc()
            raise Refusal(
                503,
                f"the server has as many {kind}s as it takes: try again",
                headers={"retry-after": str(RETRY_FULL_S)},
            )
        if self._hub.count(session_id) >= self._streams.per_session:
            metrics.REFUSED.labels("session").inc()
            raise Refusal(
                429,
                f"the session has {self._streams.per_session} streams already: close one of its tabs",
                headers={"retry-after": str(RETRY_SESSION_S)},
            )


def _seen(scope: Scope) -> tuple[int, int] | None:
    """The newest profile that the client knows, None if it names none.

    The header is a browser's own doing, so one that cannot be read counts as having seen nothing; the query is its page's.
    """
    texts = (header_of(scope, b"last-event-id"), query_of(scope).get("last_event_id"))
    found: list[tuple[int, int]] = []
    if texts[0]:
        found.append(parse_event_id(texts[0].decode("latin-1")) or NOTHING_SEEN)
    if texts[1]:
        asked = parse_event_id(texts[1])
        if asked is None:
            raise Refusal(
                400,
                "last_event_id has the form GENERATION-VERSION, two numbers of a profile",
                reason="invalid_value",
                field="last_event_id",
            )
        found.append(asked)
    return max(found, default=None)
