"""A process that holds many open streams and notes when each notification comes.

python -m benchmarks.serving.stream_clients HOST PORT STREAMS sse|ws FILE

Says `open SECONDS` once all are open. At the end of its input it writes what came to a file, as JSON: for each stream its
newest version, and for each notification its latency. A version is the µs since the epoch at which it was written.
"""

import asyncio
import json
import re
import resource
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import uvloop

AT_ONCE = 200
VERSION = re.compile(rb'"version":(\d+)')


class Client(asyncio.Protocol):
    """One stream of one session, with no more to it than a benchmark needs."""

    __slots__ = ("_request", "beats", "newest", "opened", "status", "taken_us")

    def __init__(self, request: bytes, taken_us: list[int]) -> None:
        self._request = request
        self.opened: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.newest = 0
        self.beats = 0
        self.taken_us = taken_us

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        cast(asyncio.Transport, transport).write(self._request)  # uvloop's own is none by its class

    def data_received(self, data: bytes) -> None:
        """Note what comes."""
        now_us = time.time_ns() // 1_000
        if not self.opened.done():
            self.opened.set_result(data[:12])
        for version in map(int, VERSION.findall(data)):
            self.newest = version
            self.taken_us.append(now_us - version)
        self.beats += data.count(b": keep-alive") + data.count(b'"keep-alive"')

    def connection_lost(self, error: Exception | None) -> None:
        """Count an end that was not asked for as a stream without news."""
        if not self.opened.done():
            self.opened.set_result(b"lost")


def request(host: str, number: int, kind: str) -> bytes:
    """The request of one stream."""
    if kind == "ws":
        upgrade = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        return f"GET /v1/ws/{session_of(number)} HTTP/1.1\r\nhost: {host}\r\n{upgrade}{key}\r\n".encode()
    return f"GET /v1/stream/{session_of(number)} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n".encode()


def session_of(number: int) -> str:
    """A session id as long as real ones."""
    return f"00000000-0000-4000-8000-{number:012d}"


async def hold(host: str, port: int, streams: int, kind: str) -> dict[str, Any]:
    """Open all, and hold them until the input ends."""
    loop = asyncio.get_running_loop()
    taken_us: list[int] = []
    clients: list[Client] = []
    answers: dict[str, int] = {}
    begun = time.monotonic()
    for first in range(0, streams, AT_ONCE):
        some = [Client(request(host, number, kind), taken_us) for number in range(first, min(first + AT_ONCE, streams))]
        await asyncio.gather(*(loop.create_connection(partial(_itself, client), host, port) for client in some))
        for answer in await asyncio.gather(*(client.opened for client in some)):
            answers[answer.decode()] = answers.get(answer.decode(), 0) + 1
        clients += some
    print(f"open {time.monotonic() - begun:.1f}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    newest = {session_of(number): client.newest for number, client in enumerate(clients) if client.newest}
    beats = sum(client.beats for client in clients)
    return {"answers": answers, "newest": newest, "taken_us": taken_us, "beats": beats}


def _itself(client: Client) -> Client:
    return client


def main() -> None:
    """Hold streams as the arguments say."""
    host, port, streams, kind, file = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Path(file).write_text(json.dumps(uvloop.run(hold(host, int(port), int(streams), kind))))


if __name__ == "__main__":
    main()
