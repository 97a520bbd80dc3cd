"""Redis as readers of profiles see it."""

from typing import Any

import redis

from cli.errors import UserError
from cli.options import Target
from cli.redis_cluster import ClusterClient, open_cluster
from cli.stack.record import without_password
from jobs.secrets import redis_password
from operators.redis.cluster.address import cluster_address, is_cluster
from operators.redis.errors import ADVICE, RedisTrouble, trouble_of

AnyRedis = redis.Redis | ClusterClient
_OTHER_MODES = {
    "cluster": "is in cluster mode, and the URL does not say so: write redis+cluster://host:port,host:port, without a database",
    "sentinel": "is a Sentinel, which holds no data: name the primary that it watches",
}
_NO_CLUSTER = "is not in cluster mode, as the URL says: write redis://host:port/db, or set its cluster-enabled"


def open_redis(target: Target) -> AnyRedis:
    """Return a connection that has answered once.

    Raises:
        UserError: Redis does not answer, refuses the login, or is in another mode than the URL says.
    """
    timeout_s = target.settings.redis.socket_timeout_ms / 1_000
    return connect(target.endpoints.redis, redis_password(target.settings), timeout_s)


def connect(url: str, password: str | None, timeout_s: float) -> AnyRedis:
    """Return a connection that has answered once. No error holds the password.

    Raises:
        UserError: as `open_redis`.
    """
    return _cluster(url, password, timeout_s) if is_cluster(url) else _single(url, password, timeout_s)


def _single(url: str, password: str | None, timeout_s: float) -> redis.Redis:
    try:
        client: redis.Redis = redis.Redis.from_url(
            url, password=password, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )
    except ValueError:  # its text may be part of a password
        raise UserError("redis.url: is no URL of a Redis: write it as redis://host:port/db") from None
    try:
        client.ping()
        mode = _mode(client)
    except redis.RedisError as error:
        raise UserError(explained(url, error)) from None
    if mode in _OTHER_MODES:
        raise UserError(f"redis.url: the Redis at {without_password(url)} {_OTHER_MODES[mode]}")
    return client


def _cluster(url: str, password: str | None, timeout_s: float) -> ClusterClient:
    try:
        address = cluster_address(url)
    except ValueError as error:
        raise UserError(f"redis.url: {error}") from None
    try:
        return open_cluster(address, password, timeout_s)
    except redis.RedisError as error:
        if trouble_of(error) == RedisTrouble.NO_CLUSTER:
            raise UserError(f"redis.url: the Redis at {without_password(url)} {_NO_CLUSTER}") from None
        raise UserError(explained(url, error)) from None


def explained(url: str, error: redis.RedisError) -> str:
    """Return one line for a person: what is wrong with the Redis at that address, and what to do."""
    where, trouble = without_password(url), trouble_of(error)
    if trouble == RedisTrouble.AWAY:
        kind = "it did not answer in time" if isinstance(error, redis.TimeoutError) else str(error).rstrip(".")
        return (
            f"redis.url: no Redis answers at {where} ({kind}): start it (`heliotrope up` for an embedded one), or correct the "
            "address"
        )
    return f"redis.url: the Redis at {where} answers with an error: {ADVICE[trouble]} ({error})"


def _mode(client: redis.Redis) -> str:
    """`standalone`, `cluster` or `sentinel`; empty where the server does not say. Every user may ask."""
    try:
        said: Any = client.execute_command("HELLO")  # type: ignore[no-untyped-call]
    except redis.RedisError:  # an old server, or a proxy that does not know the question
        return ""
    if isinstance(said, list):
        said = dict(zip(said[::2], said[1::2], strict=False))
    mode = said.get(b"mode", b"") if isinstance(said, dict) else b""
    return mode.decode() if isinstance(mode, bytes) else str(mode)


def profile_key(prefix: str, session_id: str) -> str:
    """Return the key of a session's profile."""
    return f"{prefix}:profile:{session_id}"


def profile_channel(prefix: str) -> str:
    """Return the channel on which each write of a profile is announced."""
    return f"{prefix}:profile-updated"
