"""A real Redis, a real broker, and the application in this process, for tests that need no server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cli.errors import UserError
from cli.stack import jars
from jobs.settings import settings_from
from serving.app import create_app
from state.configuration import Settings
from tests.kafka_server import KafkaServer, kafka_server
from tests.redis_server import RedisServer, redis_server


@pytest.fixture(scope="session")
def redis_place() -> Iterator[RedisServer]:
    """One Redis for all of these tests; who needs it empty or broken takes one of its own."""
    with redis_server() as server:
        server.start()
        yield server


@pytest.fixture
def settings(redis_place: RedisServer, tmp_path: Path) -> Settings:
    """The shipped settings with that Redis, and a broker that nobody runs."""
    tree = {"redis": {"url": redis_place.url}, "kafka": {"bootstrap": "127.0.0.1:1"}}
    return settings_from({**tree, "serving": {"data_dir": str(tmp_path / "serving"), "metadata": False}})


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A client of the whole application."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="session")
def kafka_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One broker for all of these tests; a test that ends it starts it again."""
    try:
        jars.installed()
    except UserError:
        jars.fetch(lambda done, of, name: None)
    with kafka_server(tmp_path_factory.mktemp("kafka")) as server:
        yield server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what needs the broker, which is a JVM."""
    for item in items:
        if "kafka_place" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.integration)
