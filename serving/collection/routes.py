"""The routes of collection, and what they need open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.routing import Route

from jobs.secrets import kafka_client_properties
from serving.collection.admission import Rejected
from serving.collection.consent import ConsentDoor
from serving.collection.keys import WriteKeys
from serving.collection.producer import Producer
from serving.collection.rates import Rates
from serving.collection.track import ANSWERS, BODY_TYPES, Collector, Tracked
from serving.collection.trackers.routes import part as tracker_part
from serving.collection.trackers.routes import routes as tracker_routes
from serving.collection.trackers.routes import trackers
from serving.context import Context
from serving.openapi import json_content, problem, reference
from serving.room import Part, Room
from state.events.event import Event


def collection(context: Context) -> Room:
    """Make this room for the application."""
    settings = context.settings
    keys = WriteKeys(settings.serving.write_keys_file, context.log)
    producer = Producer(settings, kafka_client_properties(settings), context.log)
    rates, door = Rates(settings.serving.rate_limits), ConsentDoor(settings, context.redis)
    collector = Collector(settings, keys, rates, door, producer, context.forget)

    others = trackers(settings, collector)
    if "segment" in others:
        collector.segment = others["segment"].take

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        producer.open()
        watching = asyncio.create_task(keys.watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await producer.close(settings.serving.stop_timeout_ms / 1_000)

    return Room(
        "collection",
        [Route("/v1/track", collector.track, methods=["POST"]), *tracker_routes(others)],
        Part({"/v1/track": {"post": _track_operation()}, **tracker_part(others).paths}, [Event, Rejected, Tracked]),
        lifespan,
        {"kafka": producer.check},
    )


def _track_operation() -> dict[str, Any]:
    one = {**reference(Event), "description": "timestamp and event_id are filled in if they are missing."}
    batch = {
        "type": "object",
        "required": ["events"],
        "properties": {"events": {"type": "array", "maxItems": 100, "items": reference(Event)}},
    }
    return {
        "summary": "Track one event, or up to 100",
        "description": "Answered once all of it is acknowledged by the broker. Other fields than the named ones are ignored.",
        "security": [{"bearer": []}, {"basic": []}, {"query": []}, {}],
        "parameters": [
            {
                "name": "idempotency-key",
                "in": "header",
                "schema": {"type": "string", "maxLength": 64},
                "description": "Where events have neither id nor time: the same for each repetition of a batch.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": {"anyOf": [one, batch]}} for kind in BODY_TYPES},
        },
        "responses": {
            "202": {"description": "What was accepted, and what was not.", "content": json_content(Tracked)},
            **{status: problem(text) for status, text in ANSWERS.items()},
        },
    }
