"""The application: the rooms' routes, documents and lifespans put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext

from granian.utils.proxies import wrap_asgi_with_proxy_headers
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from serving import health, openapi
from serving.collection.routes import collection
from serving.context import Context
from serving.delivery.routes import delivery
from serving.guard import Guard
from serving.metrics import WORKERS, metrics
from serving.pages.routes import pages
from serving.problems import HANDLERS
from serving.push.routes import push
from serving.room import Lifespan, Room
from state.configuration import Settings

ROOMS = (collection, delivery, push, pages)
CORS_HEADERS = (
    "authorization",
    "content-type",
    "content-encoding",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
)
CORS_SECONDS = 86_400
"""For how long a browser need not ask again."""


def create_app(settings: Settings, process: Lifespan = nullcontext) -> Starlette:
    """Make the whole application of one worker. Its lifespan opens clients and closes them; `process` is what else a process of its
    own wants for as long."""
    context = Context(settings)
    rooms = [room(context) for room in ROOMS]
    checks = {"redis": lambda: _redis_answers(context)} | {
        name: check for room in rooms for name, check in room.checks.items()
    }
    parts = [health.PART, *(room.part for room in rooms)]
    app = Starlette(
        routes=[
            # the first that matches is taken, and each that does not costs a microsecond: what is asked for most stands first
            *(route for room in rooms for route in room.routes),
            *health.routes(context, checks),
            Route("/metrics", metrics),
            *openapi.routes(parts),
        ],
        middleware=_middleware(context),
        exception_handlers=HANDLERS,
        lifespan=lambda _: _lifespan(context, rooms, process),
    )
    app.router.redirect_slashes = False  # it would send clients to whatever the header Host says
    app.state.context = context
    return app


def _middleware(context: Context) -> list[Middleware]:
    """From the outermost in. Without proxies that are trusted nobody's word for an address is believed."""
    serving = context.settings.serving
    layers = [Middleware(Guard, log=context.log)]
    if serving.trusted_proxies:
        layers.append(Middleware(wrap_asgi_with_proxy_headers, trusted_hosts=serving.trusted_proxies))
    if serving.origins:
        layers.append(
            Middleware(
                CORSMiddleware,
                allow_origins=serving.origins,
                allow_methods=["GET", "POST"],
                allow_headers=CORS_HEADERS,
                expose_headers=["etag", "retry-after"],
                max_age=CORS_SECONDS,
            )
        )
    return layers


@asynccontextmanager
async def _lifespan(context: Context, rooms: list[Room], process: Lifespan) -> AsyncIterator[None]:
    """Opens what the rooms need, in their order, and closes it in the reverse one."""
    WORKERS.set(context.settings.serving.workers)
    async with AsyncExitStack() as opened:
        opened.push_async_callback(context.redis.aclose)
        await opened.enter_async_context(process())
        for room in rooms:
            await opened.enter_async_context(room.lifespan())
        yield
        context.stopping.set()


async def _redis_answers(context: Context) -> None:
    await context.redis.ping()
