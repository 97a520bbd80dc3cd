"""The routes of this room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.routing import Route, WebSocketRoute

from serving.access import SESSION
from serving.context import Context
from serving.openapi import problem, reference
from serving.push.admission import Admission
from serving.push.hub import Hub
from serving.push.messages import ProfileUpdated
from serving.push.socket import Socket
from serving.push.stream import EventStream
from serving.room import Part, Room

STREAM, SOCKET = f"/v1/stream/{SESSION}", f"/v1/ws/{SESSION}"


def push(context: Context) -> Room:
    """Make this room for the application."""
    serving = context.settings.serving
    hub = Hub(context.redis, context.settings.redis.prefix, context.notices)
    admission = Admission(hub, serving, context.access, context.no_streams)
    routes = [
        Route(STREAM, EventStream(admission, serving.streams), methods=["GET"]),
        WebSocketRoute(SOCKET, Socket(admission, serving.streams)),
    ]

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        hub.start()
        stopping = asyncio.create_task(_close_at_stop(context.stopping, hub))
        try:
            yield
        finally:
            stopping.cancel()
            await hub.aclose()

    return Room("push", routes, PART, lifespan)


async def _close_at_stop(stopping: asyncio.Event, hub: Hub) -> None:
    """End the streams while the server still waits for them, so that their clients go to another worker."""
    await stopping.wait()
    hub.close()


def _parameter(name: str, place: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "required": place == "path",
        "description": description,
        "schema": {"type": "string", **schema},
    }


PARAMETERS = [
    _parameter("session_id", "path", "The session.", minLength=1, maxLength=128),
    _parameter(
        "last_event_id",
        "query",
        "GENERATION-VERSION of the profile that the client has: a newer one is announced at once.",
        pattern="^([0-9]{1,19}-[0-9]{1,19})?$",
    ),
    _parameter("token", "query", "The session's token, if tokens are asked for; or as Authorization: Bearer TOKEN."),
]
REFUSALS = {
    "400": problem("No session id, or last_event_id of another form."),
    "401": problem("No token of this session."),
    "429": problem("The session has too many streams; Retry-After says when to try again."),
    "503": problem("The worker has too many streams or is stopping; Retry-After says when to try again."),
}
PART = Part(
    {
        "/v1/stream/{session_id}": {
            "get": {
                "summary": "News of a session's profile as server-sent events",
                "description": "Each event `profile-updated` says that there is a new profile to fetch. Its id is "
                "GENERATION-VERSION. A comment comes every 20 s; after 120 s without an update the stream ends.",
                "parameters": [
                    *PARAMETERS,
                    _parameter("Last-Event-ID", "header", "As last_event_id; browsers send it by themselves."),
                ],
                "responses": {
                    "200": {
                        "description": "The stream; `data` of each event is a ProfileUpdated.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    },
                    **REFUSALS,
                },
            }
        },
        "/v1/ws/{session_id}": {
            "get": {
                "summary": "The same messages over a WebSocket",
                "parameters": PARAMETERS,
                "responses": {
                    "101": {"description": f"The socket; each message is a {reference(ProfileUpdated)['$ref']}."},
                    "403": problem("Pages of this origin may not open it."),
                    **REFUSALS,
                },
            }
        },
    },
    (ProfileUpdated,),
)
