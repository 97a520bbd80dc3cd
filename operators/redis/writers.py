"""What writes to Redis, made where the operators run: given to them, so that a test can write elsewhere."""

from collections.abc import Callable
from typing import NamedTuple

import redis

from operators.redis.lists import PopularWriter
from operators.redis.profiles import ProfileWriter
from state.candidates.sources.popularity import LIFE_WINDOWS
from state.configuration import Settings

Count = Callable[[str, int], None]
"""Raises a counter by a number."""


def profile_writer(
    settings: Settings, password: str | None, count: Count, acknowledged: Callable[[list[int]], None]
) -> ProfileWriter:
    """Make the writer of profiles."""
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
    return PopularWriter(_client(settings, password), settings.redis.prefix, life_ms, count)


class Writers(NamedTuple):
    """Makers of the writers of profiles and of the regions' lists. None connects before its first write."""

    profiles: Callable[[Settings, str | None, Count, Callable[[list[int]], None]], ProfileWriter] = profile_writer
    lists: Callable[[Settings, str | None, Count], PopularWriter] = list_writer


REDIS = Writers()


def _client(settings: Settings, password: str | None) -> redis.Redis:
    timeout_s = settings.redis.socket_timeout_ms / 1_000
    return redis.Redis.from_url(
        settings.redis.url, password=password, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
    )
