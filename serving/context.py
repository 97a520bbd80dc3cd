"""What every room of a worker shares: the settings, a Redis client, and the news that the worker is about to stop."""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from jobs.secrets import redis_password
from operators.redis.cluster.address import cluster_address, is_cluster
from serving.access import session_access
from serving.cluster_redis import ClusterRedis
from serving.reader.cluster.nodes import AsyncNodes
from serving.reader.notices import NoticeBoard
from state.configuration import Settings

MOST_REDIS_CONNECTIONS = 64
"""Of one worker's shared client; a request beyond that waits for no more than the socket's timeout."""


class Context:
    """Things that the rooms of one worker share. They get it once, when the application is made."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log: Any = structlog.get_logger("serving")
        self.redis = open_redis(settings)
        self.access = session_access(settings.serving)
        """Who may read a session: every route that reads one asks it."""
        self.notices = NoticeBoard()
        """Where the notifications of new profiles come in, for reads that wait."""
        self.forgetters: list[Callable[[str], None]] = []
        """Called with each session that was erased or withdrew its consent: rooms drop what they keep of it."""
        self.stopping = asyncio.Event()
        """Set when the worker is asked to stop: streams end now, requests are finished."""
        self.no_streams = asyncio.Event()
        """Set while no stream is open."""
        self.no_streams.set()

    def forget(self, session_id: str) -> None:
        """Drop what this worker keeps of a session."""
        for forgetter in self.forgetters:
            forgetter(session_id)


AnyRedis = Redis | ClusterRedis


def open_redis(settings: Settings) -> AnyRedis:
    """Return a client that answers or fails within `redis.socket_timeout`; it connects with its first command."""
    timeout_s = settings.redis.socket_timeout_ms / 1_000
    if is_cluster(settings.redis.url):
        options = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
        nodes = AsyncNodes(cluster_address(settings.redis.url), redis_password(settings), **options)
        return ClusterRedis(nodes, timeout_s)
    client: Redis = Redis.from_url(
        settings.redis.url or "redis://127.0.0.1:6379/0",
        password=redis_password(settings),
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        max_connections=MOST_REDIS_CONNECTIONS,
        retry=Retry(NoBackoff(), 1),  # a connection that was closed meanwhile is opened again at once
    )
    return client
