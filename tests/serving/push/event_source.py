"""A client of server-sent events that reads as a browser does, and shows what a browser hides."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

PATIENCE_S = 30.0


class Event(NamedTuple):
    """One event that a page would get."""

    kind: str
    id: str
    data: str


class EventSource:
    """An open stream.

    Attributes:
        last_event_id: what a browser would send when it opens the stream again.
        retry_ms: when it would.
        comments: how many came.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str]
    ) -> None:
        self._reader = reader
        self.writer = writer
        self.status = status
        self.headers = headers
        self._pending = b""
        self._id = ""
        self.last_event_id = ""
        self.retry_ms = 0
        self.comments = 0

    async def body(self) -> bytes:
        """All that comes until the answer's end."""
        if "content-length" in self.headers:
            return await self._reader.readexactly(int(self.headers["content-length"]))
        found = b""
        while chunk := await self._chunk():
            found += chunk
        return found

    async def event(self) -> Event | None:
        """The next event, None at the stream's end."""
        kind = ""
        data: list[str] = []
        while (line := await self.line()) is not None:
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if line == "":
                self.last_event_id = self._id
                if data:
                    return Event(kind or "message", self._id, "\n".join(data))
                kind = ""
            elif field == "":
                self.comments += 1
            elif field == "event":
                kind = value
            elif field == "data":
                data.append(value)
            elif field == "id":
                self._id = value
            elif field == "retry":
                self.retry_ms = int(value)
        return None

    async def line(self) -> str | None:
        """The next line, None at the stream's end."""
        while b"\n" not in self._pending:
            chunk = await self._chunk()
            if not chunk:
                return None
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line.decode()

    async def _chunk(self) -> bytes:
        async with asyncio.timeout(PATIENCE_S):
            size = int(await self._reader.readline(), 16)
            chunk = await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        return chunk


@asynccontextmanager
async def open_stream(host: str, port: int, path: str, **headers: str) -> AsyncIterator[EventSource]:
    """Open a stream and read the head of the answer."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        lines = [f"GET {path} HTTP/1.1", f"host: {host}", *(f"{k.replace('_', '-')}: {v}" for k, v in headers.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(PATIENCE_S):
            status = int((await reader.readline()).split()[1])
            found: dict[str, str] = {}
            while (line := (await reader.readline()).decode().strip()) != "":
                name, _, value = line.partition(":")
                found[name.lower()] = value.strip()
        yield EventSource(reader, writer, status, found)
    finally:
        writer.close()
