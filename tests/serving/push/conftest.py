"""One real server with its Redis for all tests that break neither."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.redis_server import RedisServer
from tests.serving.live_server import LiveServer, live_server


@pytest.fixture(scope="package")
def live(redis_place: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with bounds that a test can reach."""
    folder: Path = tmp_path_factory.mktemp("push")
    serving = {"streams": {"per_session": 3, "max": 40, "max_sockets": 5}, "origins": ["https://shop.example"]}
    with live_server(folder, redis={"url": redis_place.url}, serving=serving) as server:
        yield server


@pytest.fixture(scope="package")
def impatient(redis_place: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose streams soon send comments and soon end."""
    serving = {"streams": {"keep_alive": "100 ms", "idle": "1 s"}}
    with live_server(tmp_path_factory.mktemp("impatient"), redis={"url": redis_place.url}, serving=serving) as server:
        yield server


@pytest.fixture(scope="package")
def shop(redis_place: RedisServer) -> Iterator[redis.Redis]:
    """The job's way into that Redis."""
    with redis.Redis.from_url(redis_place.url) as client:
        yield client


@pytest.fixture
def redis_url(redis_place: RedisServer) -> str:
    """Where that Redis is."""
    return redis_place.url
