"""A real redis-server for tests that need no other part of the stack."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError as NotYet
from redis.retry import Retry

from cli.stack.brokers import redis_executable
from tests.server_process import ServerProcess


class RedisServer(ServerProcess):
    """Listens on a socket file only, so that no port is needed; can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "redis.sock"

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"unix://{self._socket}?db=0"

    def start(self, *options: str) -> redis.Redis:
        """Starts it, with further options, and waits until it answers."""
        place = ("--port", "0", "--unixsocket", str(self._socket), "--save", "")
        command = [str(redis_executable()), *place, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self._socket.parent)
        retry = Retry(ConstantBackoff(0.02), 500)
        client = redis.Redis.from_url(self.url, retry=retry, retry_on_error=[NotYet, OSError])
        client.ping()
        return redis.Redis.from_url(self.url)

    def kill(self) -> None:
        """Ends it as a crash would, and leaves no socket."""
        super().kill()
        self._socket.unlink(missing_ok=True)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A server for one test."""
    with tempfile.TemporaryDirectory(prefix="heliotrope-redis-") as folder:
        server = RedisServer(Path(folder))
        try:
            yield server
        finally:
            server.kill()
