"""The application: the rooms' routes, documents and lifespans put together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route

from serving import health, openapi
from serving.collection.routes import collection
from serving.context import Context
from serving.delivery.routes import delivery
from serving.guard import Guard
from serving.metrics import metrics
from serving.pages.routes import pages
from serving.problems import HANDLERS
from serving.push.routes import push
from serving.room import Room
from state.configuration import Settings

ROOMS = (collection, delivery, push, pages)


def create_app(settings: Settings) -> Starlette:
    """The whole application of one worker. Clients are opened in its lifespan and closed with it."""
    context = Context(settings)
    rooms = [room(context) for room in ROOMS]
    checks = {"redis": lambda: _redis_answers(context)} | {
        name: check for room in rooms for name, check in room.checks.items()
    }
    parts = [health.PART, *(room.part for room in rooms)]
    app = Starlette(
        routes=[
            *health.routes(context, checks),
            Route("/metrics", metrics),
            *openapi.routes(parts),
            *(route for room in rooms for route in room.routes),
        ],
        middleware=[Middleware(Guard, log=context.log)],
        exception_handlers=HANDLERS,
        lifespan=lambda _: _lifespan(context, rooms),
    )
    app.state.context = context
    return app


@asynccontextmanager
async def _lifespan(context: Context, rooms: list[Room]) -> AsyncIterator[None]:
    """Opens what the rooms need, in their order, and closes it in the reverse one."""
    async with AsyncExitStack() as opened:
        opened.push_async_callback(context.redis.aclose)
        for room in rooms:
            await opened.enter_async_context(room.lifespan())
        yield
        context.stopping.set()


async def _redis_answers(context: Context) -> None:
    await context.redis.ping()
