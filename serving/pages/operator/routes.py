"""`/admin`: one page and what it reads."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from serving.context import Context
from serving.pages.assets import asset_route
from serving.pages.html import render
from serving.pages.operator.access import Access
from serving.pages.operator.dead_letters import newest_dead_letters
from serving.pages.operator.sampler import INTERVAL_SECONDS, Sampler
from serving.pages.operator.session import session_report
from serving.problems import Refusal

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {"content-security-policy": POLICY, "cache-control": "no-store"}


class Operator:
    """Routes, each behind the same rule of access."""

    def __init__(self, context: Context, titles: Mapping[str, str]) -> None:
        serving = context.settings.serving
        self._context, self._titles = context, titles
        self._access = Access(serving.admin_token_file)
        self._sampler = Sampler(serving.job_metrics)
        self._reading = asyncio.Lock()

    def routes(self) -> list[Route]:
        """Give all routes."""
        return [
            Route("/admin", self.page),
            Route("/admin/figures", self.figures),
            Route("/admin/dead-letters", self.dead_letters),
            Route("/admin/session", self.session),
            *(asset_route(f"/admin/{name}", name) for name in ("admin.js", "admin.css", "shop.css", "icon.svg")),
        ]

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        """Stop sampling at the end."""
        try:
            yield
        finally:
            await self._sampler.close()

    async def page(self, request: Request) -> Response:
        """Serve the page."""
        self._access.check(request)
        return HTMLResponse(render("admin", interval=int(INTERVAL_SECONDS * 1_000)), headers=HEADERS)

    async def figures(self, request: Request) -> Response:
        """Serve the samples after `after`, a time in ms."""
        self._access.check(request)
        try:
            after = int(request.query_params.get("after", "0"))
        except ValueError:
            after = 0
        await self._sampler.look()
        return _json([point for point in self._sampler.points if point["at"] > after])

    async def dead_letters(self, request: Request) -> Response:
        """Serve the newest dead letters; one reader at a time."""
        self._access.check(request)
        if self._reading.locked():
            raise Refusal(429, "somebody reads them already", headers={"retry-after": "5"})
        async with self._reading:
            return _json(await asyncio.to_thread(newest_dead_letters, self._context.settings))

    async def session(self, request: Request) -> Response:
        """Serve one session by `id`."""
        self._access.check(request)
        prefix, session_id = self._context.settings.redis.prefix, request.query_params.get("id", "")
        return _json(await session_report(self._context.redis, prefix, session_id, self._titles))


def _json(tree: Any) -> Response:
    return Response(msgspec.json.encode(tree), headers={"cache-control": "no-store"}, media_type="application/json")
