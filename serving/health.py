"""`/healthz`: the process lives. `/readyz`: what it needs answers."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.context import Context
from serving.room import Check, Part

CHECK_SECONDS = 2.0


def routes(context: Context, checks: Mapping[str, Check]) -> list[Route]:
    """Return the two routes; `checks` are asked together, each for no longer than two seconds."""

    async def healthz(request: Request) -> Response:
        return _json({"status": "ok"}, 200)

    async def readyz(request: Request) -> Response:
        found = dict(zip(checks, await asyncio.gather(*map(_outcome, checks.values())), strict=True))
        if context.stopping.is_set():
            found["process"] = "stopping"
        ready = all(outcome == "ok" for outcome in found.values())
        return _json({"status": "ready" if ready else "not ready", "checks": found}, 200 if ready else 503)

    return [Route("/healthz", healthz), Route("/readyz", readyz)]


async def _outcome(check: Check) -> str:
    """`ok`, or the kind of the error: its text may hold an address or a name."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except Exception as error:
        return type(error).__name__
    return "ok"


def _json(tree: dict[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(tree), status, {"cache-control": "no-store"}, "application/json")


def _answers(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": {"type": "object"}}}}


PART = Part(
    {
        "/healthz": {"get": {"summary": "The process lives", "responses": {"200": _answers("It does.")}}},
        "/readyz": {
            "get": {
                "summary": "Broker and Redis answer",
                "responses": {"200": _answers("They do."), "503": _answers("One does not; it is named.")},
            }
        },
        "/metrics": {
            "get": {
                "summary": "Prometheus' metrics of all workers",
                "responses": {"200": {"description": "In its text format.", "content": {"text/plain": {}}}},
            }
        },
    }
)
