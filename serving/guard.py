"""The outermost layer of every request: security headers, a metric, and no error without an answer and a line in the log."""

import time
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.metrics import FAILURES, IN_FLIGHT, REQUESTS, SECONDS
from serving.problems import ProblemResponse

POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' https: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
)
UNMATCHED = "unmatched"
"""The route's label if none matched: paths are the client's words and would be without bound."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Guard:
    """ASGI middleware. A header that the application sets itself is left as it is."""

    def __init__(self, app: ASGIApp, log: Any) -> None:
        self._app, self._log = app, log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; other kinds of scope pass as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message["headers"] = headers + [pair for pair in SECURITY_HEADERS if pair[0] not in present]
            await send(message)

        IN_FLIGHT.inc()
        try:
            await self._app(scope, receive, send_guarded)
        except Exception as error:
            FAILURES.labels(_route(scope)).inc()
            self._log.exception("request failed", route=_route(scope), error=type(error).__name__)
            if not status:
                await ProblemResponse(500, "the server failed at this request; it is in the log")(
                    scope, receive, send_guarded
                )
        finally:
            IN_FLIGHT.dec()
            method = scope["method"] if scope["method"] in METHODS else "other"
            REQUESTS.labels(_route(scope), method, status or 499).inc()
            SECONDS.labels(_route(scope)).observe(time.perf_counter() - started)


def _route(scope: Scope) -> str:
    """The template of the route that matched, such as `/v1/profile/{session_id}`."""
    route = scope.get("route")
    return getattr(route, "path", None) or UNMATCHED
