"""The routes of this room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from confluent_kafka import Consumer
from starlette.routing import Route

from jobs.kafka_security import read_security
from jobs.secrets import kafka_client_properties, redis_password
from serving.access import SESSION
from serving.collection.kafka_options import security_options
from serving.context import Context
from serving.delivery import metrics
from serving.delivery.endpoint import ProfileEndpoint
from serving.delivery.openapi import PART
from serving.metadata.feed import Feed, consumer_options
from serving.metadata.lookup import Lookup
from serving.metrics import REQUESTS
from serving.reader import AsyncProfileReader, ReaderSettings
from serving.room import Room
from state.configuration import Settings

PROFILE = f"/v1/profile/{SESSION}"
STATIC_FILE, PRODUCTS_FILE = "popular.json", "products.sqlite"
STOP_S = 2.0
"""The thread that reads products is waited for so long at the end; what it has not stored it reads again."""
SHOW_EVERY_S = 1.0


def delivery(context: Context) -> Room:
    """Make this room's part of the application."""
    settings = context.settings
    reader = AsyncProfileReader(
        settings.redis.url or "redis://127.0.0.1:6379/0",
        reader_settings(settings),
        password=redis_password(settings),
        notices=context.notices,
        count=metrics.count,
    )
    context.forgetters.append(reader.forget)
    products = data_folder(settings) / PRODUCTS_FILE
    lookup, feed = Lookup(products), _feed(settings, products)
    REQUESTS.labels(PROFILE, "GET", 500)  # there from the start, so that an alert sees its first increase
    endpoint = ProfileEndpoint(reader, context.access, settings.serving.reader, lookup, context.log)

    @asynccontextmanager
    async def lifespan() -> AsyncIterator[None]:
        showing = asyncio.create_task(_show(reader))
        if feed is not None:
            feed.start()
        try:
            yield
        finally:
            showing.cancel()
            lookup.close()
            if feed is not None:
                feed.stop()
                await asyncio.to_thread(feed.join, STOP_S)
            await reader.close()

    return Room("delivery", [Route(PROFILE, endpoint, methods=["GET"])], PART, lifespan)


def reader_settings(settings: Settings) -> ReaderSettings:
    """Return the library's settings by the configuration."""
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
    """Return the folder where the workers of this host keep what they read faster from here than from elsewhere."""
    return Path(settings.serving.data_dir or Path(settings.local.workdir) / "serving")


def _feed(settings: Settings, path: Path) -> Feed | None:
    """Make what fills the file of products, if it is asked for.

    Raises:
        ConfigurationError: this client cannot log in as is configured.
        SecretError: the file of secret properties cannot be read.
    """
    if not settings.serving.metadata or not settings.kafka.bootstrap:
        return None
    security = security_options(read_security(kafka_client_properties(settings)))
    options = consumer_options(settings.kafka.bootstrap, security)
    return Feed(path, settings.kafka.topics.products, lambda: Consumer(options))


async def _show(reader: AsyncProfileReader) -> None:
    """Show once a second what has a value and not a count."""
    while True:
        chain = reader.chain
        metrics.OPEN_BREAKERS.set(reader.has_open_breaker)
        metrics.KEPT.set(len(chain.profiles))
        metrics.KEPT_BYTES.set(chain.profiles.bytes)
        await asyncio.sleep(SHOW_EVERY_S)
