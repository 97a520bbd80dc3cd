"""The door to Flink's REST interface: plain HTTP on loopback, open to the user who started the stack and to root alone.

The JobManager itself speaks only TLS with a client's certificate, whose key lies in the work directory. Its interface takes Java
objects, so who reaches it can run code. Here the kernel says which user has connected; what a browser sends on behalf of another
site is refused too. Each connection carries one request.
"""

import asyncio
import ipaddress
import json
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import structlog

from cli.stack.peer import uid_of
from cli.stack.ports import LOOPBACK

log = structlog.get_logger()

HEAD_BYTES = 65_536
CHUNK_BYTES = 65_536
HEAD_SECONDS = 20.0
LONGEST_SECONDS = 900.0
"""Of one request: Flink gives up after ten minutes."""
LINGER_SECONDS = 1.0
CONNECTIONS = 128
ROOT = 0


class RefusedError(Exception):
    """A request that is answered here: `status` with a reason."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Gateway:
    """Gateway that hands requests from `port` on to the JobManager at `backend_port`."""

    def __init__(
        self,
        port: int,
        backend_port: int,
        context: ssl.SSLContext,
        uid_of: Callable[[tuple[str, int], tuple[str, int]], int | None] = uid_of,
    ) -> None:
        self._port, self._backend_port, self._context, self._uid_of = port, backend_port, context, uid_of
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken.
        """
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self._port, limit=HEAD_BYTES)

    async def stop(self) -> None:
        """Listen no longer."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await self._admit(writer)
                await self._forward(await _head(reader), reader, writer)
        except RefusedError as refusal:
            await _refuse(refusal, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # one end has gone: the other sees its connection end
        finally:
            self._open -= 1
            writer.close()

    async def _admit(self, writer: asyncio.StreamWriter) -> None:
        client, server = writer.get_extra_info("peername"), writer.get_extra_info("sockname")
        uid = await asyncio.to_thread(self._uid_of, client, server)
        if uid not in (os.getuid(), ROOT):
            log.warning("refused another user", uid=uid)
            raise RefusedError("403 Forbidden", "only the user who started this stack may use it")
        if self._open > CONNECTIONS:
            raise RefusedError("503 Service Unavailable", "too many connections")

    async def _forward(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            backend = await asyncio.open_connection(
                LOOPBACK, self._backend_port, ssl=self._context, server_hostname=LOOPBACK, limit=CHUNK_BYTES
            )
        except (OSError, ssl.SSLError) as error:
            raise RefusedError(
                "503 Service Unavailable", f"the JobManager does not answer ({type(error).__name__})"
            ) from None
        answers, requests = backend
        upwards = asyncio.create_task(_pump(reader, requests))
        try:
            requests.write(head)
            await _pump(answers, writer)
        finally:
            upwards.cancel()
            requests.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The request's line and headers, checked, asking the JobManager to close the connection after its answer."""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise RefusedError("431 Request Header Fields Too Large", "the headers are too large") from None
    first, *lines = head[:-4].split(b"\r\n")
    kept = [first]
    for line in lines:
        name, _, value = line.partition(b":")
        _check(name.strip().lower(), value.strip().decode("latin-1"))
        if name.strip().lower() not in (b"connection", b"keep-alive"):
            kept.append(line)
    return b"\r\n".join((*kept, b"Connection: close", b"", b""))


def _check(name: bytes, value: str) -> None:
    """A page of another site that the owner's browser has open must not act for the owner."""
    if name == b"host" and not _is_loopback(f"//{value}"):
        raise RefusedError("403 Forbidden", "the Host must be loopback")
    if name == b"origin" and not _is_loopback(value):
        raise RefusedError("403 Forbidden", "pages of another origin may not use it")


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(CHUNK_BYTES):
        sink.write(data)
        await sink.drain()


async def _refuse(refusal: RefusedError, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers, and takes what was sent for a moment: closed with bytes unread, a connection is reset and the answer lost."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            writer.write(_answer(refusal))
            writer.write_eof()
            while await reader.read(CHUNK_BYTES):
                pass


def _answer(refusal: RefusedError) -> bytes:
    body = json.dumps({"errors": [refusal.reason]}).encode()
    headers = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close")
    return "\r\n".join((f"HTTP/1.1 {refusal.status}", *headers, "", "")).encode() + body
