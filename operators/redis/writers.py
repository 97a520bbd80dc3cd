"""What writes to Redis, made where the operators run: given to them, so that a test can write elsewhere."""

from collections.abc import Callable
from typing import NamedTuple

import redis

from operators.counters import Counters
from operators.redis.cluster.address import cluster_address, is_cluster
from operators.redis.cluster.calls import ClusterCalls
from operators.redis.cluster.health import ClusterHealth
from operators.redis.cluster.nodes import ClusterNodes
from operators.redis.cluster.profiles import ClusterProfileWriter
from operators.redis.health import RedisHealth
from operators.redis.lists import PopularWriter
from operators.redis.profiles import ProfileWriter
from state.candidates.sources.popularity import LIFE_WINDOWS
from state.configuration import Settings
from state.profile.memory_budget import MemoryBudget

Count = Callable[[str, int], None]
"""Raises a counter by a number."""
AnyProfileWriter = ProfileWriter | ClusterProfileWriter
AnyHealth = RedisHealth | ClusterHealth


def profile_writer(
    settings: Settings, password: str | None, count: Count, acknowledged: Callable[[list[int]], None]
) -> AnyProfileWriter:
    """Make the writer of profiles."""
    if is_cluster(settings.redis.url):
        return ClusterProfileWriter(
            _nodes(settings, password),
            settings.redis.prefix,
            settings.session.ttl_ms,
            settings.redis.batch,
            settings.redis.block_max_ms,
            settings.redis.socket_timeout_ms,
            count,
            acknowledged=acknowledged,
        )
    return ProfileWriter(
        _client(settings, password),
        settings.redis.prefix,
        settings.session.ttl_ms,
        settings.redis.batch,
        settings.redis.block_max_ms,
        count,
        acknowledged=acknowledged,
    )


def list_writer(settings: Settings, password: str | None, count: Count) -> PopularWriter:
    """Make the writer of the regions' lists."""
    life_ms = LIFE_WINDOWS * settings.popularity.window_ms
    cluster = is_cluster(settings.redis.url)
    client = ClusterCalls(_nodes(settings, password)) if cluster else _client(settings, password)
    return PopularWriter(client, settings.redis.prefix, life_ms, count)


def redis_health(writer: AnyProfileWriter, prefix: str, counters: Counters, budget: MemoryBudget) -> AnyHealth:
    """Make what asks Redis, on the way that profiles take, whose data it holds."""
    if isinstance(writer, ClusterProfileWriter):
        return ClusterHealth(writer, prefix, counters, budget)
    return RedisHealth(writer, prefix, counters, budget)


class Writers(NamedTuple):
    """Makers of the writers of profiles and of the regions' lists. None connects before its first write."""

    profiles: Callable[[Settings, str | None, Count, Callable[[list[int]], None]], AnyProfileWriter] = profile_writer
    lists: Callable[[Settings, str | None, Count], PopularWriter] = list_writer


REDIS = Writers()


def _client(settings: Settings, password: str | None) -> redis.Redis:
    timeout_s = settings.redis.socket_timeout_ms / 1_000
    return redis.Redis.from_url(
        settings.redis.url, password=password, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
    )


def _nodes(settings: Settings, password: str | None) -> ClusterNodes:
    return ClusterNodes(cluster_address(settings.redis.url), password, settings.redis.socket_timeout_ms / 1_000)
