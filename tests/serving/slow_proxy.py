"""A proxy before Redis that hands on what it answers only after a while: everything arrives, late."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class SlowProxy:
    """Listens on a free port of loopback, in a thread of its own.

    Attributes:
        delay_s: how long each piece of an answer is held back from now on.
        url: where it listens, as a URL of Redis.
    """

    def __init__(self, redis_socket: Path) -> None:
        self.delay_s = 0.0
        self.url = ""
        self._redis_socket = redis_socket
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._is_up.wait()

    def close(self) -> None:
        """Ends it with all its connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        self._is_up.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            redis_reader, redis_writer = await asyncio.open_unix_connection(str(self._redis_socket))
        except OSError:
            writer.close()
            return
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        parts = (self._hand_on(reader, redis_writer), self._hold(redis_reader, due), self._let_go(due, writer))
        await asyncio.gather(*parts, return_exceptions=True)

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def _hold(self, reader: asyncio.StreamReader, due: "asyncio.Queue[tuple[float, bytes]]") -> None:
        while data := await reader.read(65_536):
            due.put_nowait((self._loop.time() + self.delay_s, data))
        due.put_nowait((self._loop.time(), b""))

    async def _let_go(self, due: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        while True:
            at_s, data = await due.get()
            await asyncio.sleep(max(0.0, at_s - self._loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)


@contextmanager
def slow_proxy(redis_socket: Path) -> Iterator[SlowProxy]:
    """A proxy for one test."""
    proxy = SlowProxy(redis_socket)
    try:
        yield proxy
    finally:
        proxy.close()
