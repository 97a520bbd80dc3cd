"""`GET /v1/profile/{session_id}`: a plain ASGI application, because each layer around it costs a part of its time."""

import re
import time
from typing import Any

from starlette.types import Receive, Scope, Send

from serving.access import SessionAccess, header_of, session_of
from serving.delivery import metrics
from serving.delivery.query import Queries, Query
from serving.metadata.lookup import Lookup
from serving.reader import Answer, AsyncProfileReader, ProfileRequest
from state.configuration import Reader

CACHE_CONTROL = b"private, no-cache"
TAG = re.compile(rb'"([^"]*)"')


class ProfileEndpoint:
    """An endpoint that answers 200 or 304 to whatever is well formed and allowed."""

    def __init__(
        self,
        reader: AsyncProfileReader,
        access: SessionAccess,
        settings: Reader,
        lookup: Lookup,
        log: Any,
    ) -> None:
        self._reader = reader
        self._access = access
        self._settings = settings
        self._queries = Queries(settings)
        self._lookup = lookup
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            Refusal: before anything was sent.
        """
        started_s = time.perf_counter()
        session_id = session_of(scope)
        self._access.check(scope, session_id)
        query = self._queries.read(scope, session_id)
        answer = await self._answer(query, started_s)
        tag = answer.etag.encode()
        headers = [(b"etag", tag), (b"cache-control", CACHE_CONTROL)]
        if _knows(header_of(scope, b"if-none-match"), tag):
            metrics.NOT_MODIFIED.inc()
            status, body = 304, b""
        else:
            status, body = 200, answer.to_json()
            headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        self._observe(answer, time.perf_counter() - started_s)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, query: Query, started_s: float) -> Answer:
        """Return the answer, whatever happens: an error of ours costs the visitor the personal list and no more."""
        request = query.request
        try:
            answer = await self._reader.answer(request)
            if query.metadata:
                answer = await self._lookup.add_to(answer, self._left_s(request, started_s))
        except Exception as error:
            self._log.exception("profile read failed", error=type(error).__name__)
            answer = self._reader.last_resort(request)
        return answer

    def _left_s(self, request: ProfileRequest, started_s: float) -> float:
        """Return what is left of the time that the answer may take."""
        budget_ms = self._settings.budget_ms if request.budget_ms is None else request.budget_ms
        if request.waits and request.wait_ms is not None:
            budget_ms += request.wait_ms
        return budget_ms / 1_000 - (time.perf_counter() - started_s)

    def _observe(self, answer: Answer, seconds: float) -> None:
        metrics.SECONDS_BY_SOURCE[answer.served.source].observe(seconds)
        if answer.served.reason is not None:
            metrics.BY_REASON[answer.served.reason].inc()


def _knows(if_none_match: bytes | None, tag: bytes) -> bool:
    """Say whether a client says that it has the content already; weak tags are compared, as RFC 9110 has it for this header."""
    if not if_none_match:
        return False
    return if_none_match.strip() == b"*" or TAG.findall(tag)[0] in TAG.findall(if_none_match)
