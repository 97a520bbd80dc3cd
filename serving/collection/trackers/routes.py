"""The paths of Segment, PostHog and Mixpanel: a shop that has one of them points its library here."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from serving.collection.admission import admit
from serving.collection.body import read_body
from serving.collection.metrics import EVENTS
from serving.collection.track import ANSWERS, Collector, Tracked
from serving.collection.trackers.bodies import TYPES, decode_body
from serving.collection.trackers.mapping import Mapping, load_mapping
from serving.openapi import problem
from serving.problems import Refusal
from serving.room import Part
from state.configuration import Settings

MOST_CALLS = 1_000
SLICE = 100
"""Calls that are mapped before others get their turn."""
PATHS = {
    "segment": ("/v1/batch", "/v1/b", "/v1/t", "/v1/page", "/v1/p", "/v1/identify", "/v1/i"),
    "posthog": ("/batch", "/capture", "/e", "/i/v0/e"),
    "mixpanel": ("/track", "/import"),
}
Answer = Callable[[Request, Tracked, int], Response]


class Tracker:
    """Form of one tracker."""

    def __init__(self, name: str, mapping: Mapping, collector: Collector, settings: Settings) -> None:
        self._name, self._mapping, self._collector, self._settings = name, mapping, collector, settings
        self._answer: Answer = {"segment": _segment, "posthog": _posthog, "mixpanel": _mixpanel}[name]

    async def handle(self, request: Request) -> Response:
        """Answer a request of its library."""
        body = await read_body(request, self._settings.serving.body_timeout_ms / 1_000, TYPES)
        return await self.take(request, body)

    async def take(self, request: Request, body: bytes) -> Response:
        """Take a body that is already read."""
        media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        tree = decode_body(body, media)
        key = self._collector.key_of(request, self._mapping.write_key(tree))
        calls = self._mapping.calls(tree)
        if len(calls) > MOST_CALLS:
            raise Refusal(413, f"{len(calls)} calls, at most {MOST_CALLS:,} are taken at once", reason="too_large")
        now_ms = time.time_ns() // 1_000_000
        contents = await self._contents(calls, self._mapping.skew_ms(tree, now_ms))
        ignored = len(calls) - len(contents)
        batch = admit(contents, self._settings.events, now_ms, request.headers.get("idempotency-key", ""))
        tracked = await self._collector.collect(request, key, self._name, batch)
        if ignored:
            EVENTS.labels(self._name, key, "ignored").inc(ignored)
        return self._answer(request, tracked, ignored)

    async def _contents(self, calls: list[Any], skew_ms: int) -> list[bytes]:
        contents: list[bytes] = []
        for number, call in enumerate(calls, start=1):
            event = self._mapping.event_of(call, skew_ms)
            if event is not None:
                contents.append(msgspec.json.encode(event))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return contents


def trackers(settings: Settings, collector: Collector) -> dict[str, Tracker]:
    """Return the trackers that are configured.

    Raises:
        ConfigurationError: a mapping cannot be used.
    """
    names = msgspec.structs.asdict(settings.serving.trackers)
    return {
        name: Tracker(name, load_mapping(mapping), collector, settings) for name, mapping in names.items() if mapping
    }


def routes(found: dict[str, Tracker]) -> list[Route]:
    """Return their routes, each with and without a slash at its end, as their libraries differ in it."""
    return [
        Route(f"{path}{slash}", tracker.handle, methods=["POST"])
        for name, tracker in found.items()
        for path in PATHS[name]
        for slash in ("", "/")
    ]


def part(found: dict[str, Tracker]) -> Part:
    """Return their part of the document."""
    return Part({path: {"post": _operation(name)} for name in found for path in PATHS[name]})


def _operation(name: str) -> dict[str, Any]:
    answers = {status: problem(text) for status, text in ANSWERS.items()}
    return {
        "summary": f"Take what {name.capitalize()}'s libraries send",
        "description": f"Mapped by serving.trackers.{name}; calls without an event of ours are ignored.",
        "security": [{"bearer": []}, {"basic": []}, {"query": []}, {}],
        "requestBody": {"required": True, "content": {kind: {"schema": {}} for kind in sorted(TYPES)}},
        "responses": {"200": {"description": "As that library expects it."}, **answers},
    }


def _outcome(tracked: Tracked, ignored: int) -> dict[str, Any]:
    return {**msgspec.structs.asdict(tracked), "ignored": ignored}


def _json(tree: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(tree), 200, {"cache-control": "no-store"}, "application/json")


def _segment(request: Request, tracked: Tracked, ignored: int) -> Response:
    return _json({"success": True, **_outcome(tracked, ignored)})


def _posthog(request: Request, tracked: Tracked, ignored: int) -> Response:
    return _json({"status": "Ok", **_outcome(tracked, ignored)})


def _mixpanel(request: Request, tracked: Tracked, ignored: int) -> Response:
    """Its Python library asks for a status of 1 in JSON everywhere; its browser's for a bare 1 on `/track`."""
    if request.url.path.startswith("/track") and request.headers.get("content-type", "").startswith("text/"):
        return PlainTextResponse("1")
    imported = {"code": 200, "num_records_imported": tracked.accepted}
    return _json({"status": 1, "error": None, **imported, **_outcome(tracked, ignored)})
