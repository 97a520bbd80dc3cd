"""The routes of this room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.convertors import Convertor, register_url_convertor
from starlette.routing import Route

from jobs.secrets import redis_password
from serving.context import Context
from serving.delivery import metrics
from serving.delivery.endpoint import ProfileEndpoint
from serving.delivery.openapi import PART
from serving.reader import AsyncProfileReader, ReaderSettings
from serving.reader.breaker import BreakerState
from serving.room import Room
from state.configuration import Settings

PROFILE = "/v1/profile/{session_id:anything}"
STATIC_FILE = "popular.json"
SHOW_EVERY_S = 1.0


class _Anything(Convertor[str]):
    """The rest of a path, whatever it holds: a slash is part of a session id, and a line end is refused by name."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("anything", _Anything())


def delivery(context: Context) -> Room:
    """What this room gives to the application."""
    settings = context.settings
    reader = AsyncProfileReader(
        settings.redis.url or "redis://127.0.0.1:6379/0",
        reader_settings(settings),
        password=redis_password(settings),
        notices=context.notices,
        count=metrics.count,
    )
    endpoint = ProfileEndpoint(reader, context.access, settings.serving.reader, context.log)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        showing = asyncio.create_task(_show(reader))
        try:
            yield
        finally:
            showing.cancel()
            await reader.close()

    return Room("delivery", [Route(PROFILE, endpoint, methods=["GET"])], PART, lifespan)


def reader_settings(settings: Settings) -> ReaderSettings:
    """The library's settings by the configuration."""
    reader = settings.serving.reader
    return ReaderSettings(
        prefix=settings.redis.prefix,
        budget_ms=reader.budget_ms,
        slow_ms=reader.slow_after_ms,
        give_up_ms=reader.give_up_after_ms,
        failures=reader.failures,
        stale_max_ms=reader.stale_max_ms,
        cache_entries=reader.cache_profiles,
        cache_bytes=reader.cache_bytes,
        lag_ms=reader.lag_ms,
        items=settings.profile.items,
        refresh_after_ms=settings.profile.refresh_after_ms,
        static_file=str(data_folder(settings) / STATIC_FILE),
    )


def data_folder(settings: Settings) -> Path:
    """Where the workers of this host keep what they read faster from here than from elsewhere."""
    return Path(settings.serving.data_dir or Path(settings.local.workdir) / "serving")


async def _show(reader: AsyncProfileReader) -> None:
    """Shows once a second what has a value and not a count."""
    while True:
        chain = reader.chain
        metrics.OPEN_BREAKERS.set(chain.breaker.state != BreakerState.CLOSED)
        metrics.KEPT.set(len(chain.profiles))
        metrics.KEPT_BYTES.set(chain.profiles.bytes)
        await asyncio.sleep(SHOW_EVERY_S)
