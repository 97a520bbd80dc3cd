"""A real Redis with profiles and lists, for tests of the drivers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.redis_server import RedisServer, redis_server
from tests.serving.redis_data import list_of, profile_of


class Shop:
    """The server, and a client that writes as the job would."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.url = server.url
        self.socket = Path(server.url.removeprefix("unix://").partition("?")[0])
        self.client: redis.Redis = server.start()
        self.fill()

    def fill(self, sessions: int = 20) -> None:
        """Profiles of the sessions s0, s1 and so on, and two lists."""
        for number in range(sessions):
            self.put(f"s{number}")
        for region in ("EU", "_all"):
            self.client.set(f"heliotrope:popular:{region}", list_of(region))

    def put(self, session_id: str, **fields: Any) -> None:
        """Writes a profile without any notice."""
        self.client.set(f"heliotrope:profile:{session_id}", profile_of(session_id, **fields))

    def restart(self) -> None:
        """Kills the server, and starts it again with the same data."""
        self.server.kill()
        self.client = self.server.start()
        self.fill()

    def calls(self, command: str = "mget") -> int:
        """How often a command was called."""
        stats: Any = self.client.info("commandstats")
        return int(stats.get(f"cmdstat_{command}", {}).get("calls", 0))


@contextmanager
def shop() -> Iterator[Shop]:
    """A server for one test."""
    with redis_server() as server:
        yield Shop(server)
