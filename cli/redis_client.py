"""Redis as readers of profiles see it."""

import redis

from cli.errors import UserError
from cli.options import Target
from jobs.settings import redis_password


def open_redis(target: Target) -> redis.Redis:
    """A connection that has answered once.

    Raises:
        UserError: Redis does not answer.
    """
    where = target.endpoints.redis
    try:
        client: redis.Redis = redis.Redis.from_url(
            where,
            password=redis_password(target.settings),
            socket_timeout=target.settings.redis.socket_timeout_ms / 1_000,
            socket_connect_timeout=target.settings.redis.socket_timeout_ms / 1_000,
        )
        client.ping()
    except (redis.RedisError, ValueError) as error:
        where = where.rpartition("@")[2]  # what stands before is a password
        raise UserError(
            f"Redis at {where} does not answer ({error}): start it with `heliotrope up`, or correct redis.url"
        ) from None
    return client


def profile_key(prefix: str, session_id: str) -> str:
    """The key of a session's profile."""
    return f"{prefix}:profile:{session_id}"


def profile_channel(prefix: str) -> str:
    """The channel on which each write of a profile is announced."""
    return f"{prefix}:profile-updated"
