"""The door to Flink's REST interface: who is let in, and what of a request goes through."""

import asyncio
import http.client
import os
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cli.stack.certificates import Identity, client_context, make_identity
from cli.stack.gateway import Gateway
from cli.stack.peer import uid_in, uid_of
from cli.stack.ports import choose
from tests.another_user import as_nobody, need_nobody

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
Ask = Callable[[tuple[str, int], tuple[str, int]], int | None]
HEADER = "sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path / "keys", "rest")


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The client's and the server's end of a connection of this process with itself."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            yield client, accepted


def test_keys_are_private(identity: Identity) -> None:
    for path in (identity.pem, identity.keystore, identity.truststore):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(identity.pem.parent.stat().st_mode) == 0o700


def test_the_user_of_a_connection_is_its_processs(connection: tuple[socket.socket, socket.socket]) -> None:
    client, accepted = connection
    assert uid_of(client.getsockname(), accepted.getsockname()) == os.getuid()


def test_without_the_kernels_table_the_own_processes_are_asked(
    connection: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.stack.peer.TABLES", (Path("/nowhere"),))
    client, accepted = connection
    assert uid_of(client.getsockname(), accepted.getsockname()) == os.getuid()
    assert uid_of(("127.0.0.1", 1), accepted.getsockname()) is None


def test_a_closed_socket_is_nobodys_and_a_mapped_one_somebodys() -> None:
    client, server = ("127.0.0.1", 0x1234), ("127.0.0.1", 0x5678)
    ends = "0100007F:1234 0100007F:5678"
    closed = f"0: {ends} 05 00000000:00000000 00:00000000 00000000     0        0 0 1"
    assert uid_in([HEADER, closed], client, server) is None
    held = closed.replace(" 0        0 0 1", "1000        0 4711 1")
    assert uid_in([HEADER, held], client, server) == 1000
    mapped = held.replace("0100007F", "0000000000000000FFFF00000100007F")
    assert uid_in([HEADER, mapped], client, server) == 1000
    assert uid_in([HEADER, held], server, client) is None


def served(identity: Identity, scenario: Callable[[int, list[bytes]], Awaitable[None]], ask: Ask = uid_of) -> None:
    """Runs a scenario with the port of a gateway before a server that speaks as the JobManager does, and what that one heard."""
    heard: list[bytes] = []

    async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        heard.append(head + await reader.readexactly(length))
        writer.write(ANSWER)
        await writer.drain()
        writer.close()

    async def run() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.pem)
        context.load_verify_locations(identity.pem)
        context.verify_mode = ssl.CERT_REQUIRED
        server = await asyncio.start_server(backend, "127.0.0.1", 0, ssl=context)
        port = choose(0, "local.flink_port", set())
        gateway = Gateway(port, server.sockets[0].getsockname()[1], client_context(identity.pem), ask)
        await gateway.start()
        try:
            await scenario(port, heard)
        finally:
            await gateway.stop()
            server.close()

    asyncio.run(run())


def request(
    port: int, headers: dict[str, str] | None = None, method: str = "GET", body: bytes | None = None
) -> tuple[int, bytes]:
    """One request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, "/jobs", body, headers or {})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_owners_request_goes_through_with_its_body(identity: Identity) -> None:
    async def scenario(port: int, heard: list[bytes]) -> None:
        body = b"x" * 300_000
        assert await asyncio.to_thread(request, port, {"Connection": "keep-alive"}, "POST", body) == (200, b"ok")
        assert heard[0].endswith(body)
        assert heard[0].startswith(b"POST /jobs HTTP/1.1\r\n")
        assert heard[0].count(b"onnection: ") == 1

    served(identity, scenario)


@pytest.mark.parametrize("uid", [12_345, None])
def test_another_user_and_one_whom_nobody_knows_are_refused(identity: Identity, uid: int | None) -> None:
    async def scenario(port: int, heard: list[bytes]) -> None:
        status, body = await asyncio.to_thread(request, port)
        assert (status, heard) == (403, [])
        assert b"only the user who started this stack" in body

    served(identity, scenario, lambda client, server: uid)


def test_a_process_of_nobodys_is_refused(identity: Identity) -> None:
    need_nobody()

    async def scenario(port: int, heard: list[bytes]) -> None:
        said = await asyncio.to_thread(as_nobody, lambda: request(port)[0])
        assert (said, heard) == (403, [])

    served(identity, scenario)


def test_what_a_browser_sends_for_another_site_is_refused(identity: Identity) -> None:
    async def scenario(port: int, heard: list[bytes]) -> None:
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Host": "rebound.example:80"}):
            assert (await asyncio.to_thread(request, port, headers))[0] == 403
        assert heard == []
        own = {"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"}
        assert (await asyncio.to_thread(request, port, own))[0] == 200

    served(identity, scenario)


def test_a_job_manager_that_is_away_is_said_to_be(identity: Identity) -> None:
    async def run() -> None:
        taken: set[int] = set()
        port, nothing = choose(0, "local.flink_port", taken), choose(0, "local.flink_port", taken)
        gateway = Gateway(port, nothing, client_context(identity.pem))
        await gateway.start()
        status, body = await asyncio.to_thread(request, port)
        await gateway.stop()
        assert status == 503  # what Flink's client takes as a reason to try again
        assert b"does not answer" in body

    asyncio.run(run())
