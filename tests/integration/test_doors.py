"""The embedded stack on a machine with other users: what one of them can reach, and that the owner lacks nothing."""

import http.client
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from cli.stack.flink_rest import FlinkRest
from cli.stack.layout import Layout
from cli.stack.plan import read_plan
from cli.stack.record import without_password
from tests.another_user import as_nobody, need_nobody
from tests.integration.conftest import Stack

JAVA_OBJECT = b"\xac\xed\x00\x05sr\x00\x11java.util.HashMap"


@pytest.fixture
def embedded(stack: Stack) -> Stack:
    if stack.kind != "embedded":
        pytest.skip("these servers are not the stack's own")
    return stack


def asked(address: str, method: str, path: str, body: bytes | None = None) -> int:
    """The status of an answer over plain HTTP."""
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request(method, path, body, {"Content-Type": "application/json"})
    return connection.getresponse().status


def test_another_user_gets_nothing_from_flinks_door(embedded: Stack) -> None:
    need_nobody()
    address, job = urlsplit(embedded.flink).netloc, embedded.record().job.id
    attempts = (
        ("POST", "/v1/jobs", JAVA_OBJECT),
        ("PATCH", f"/jobs/{job}?mode=cancel", b""),
        ("POST", f"/jobs/{job}/stop", b"{}"),
        ("GET", "/jobmanager/config", None),
        ("GET", f"/jobs/{job}", None),
    )
    for attempt in attempts:
        assert as_nobody(lambda attempt=attempt: asked(address, *attempt)) == 403, attempt  # type: ignore[misc]
    assert FlinkRest(embedded.flink).job_state(job) == "RUNNING"


def test_the_owner_needs_nothing_but_the_address(embedded: Stack) -> None:
    address = urlsplit(embedded.flink).netloc
    assert asked(address, "GET", "/") == 200
    assert asked(address, "GET", f"/v1/jobs/{embedded.record().job.id}") == 200
    assert asked(address, "POST", "/v1/jobs", b"{}") == 400  # it came as far as being read
    connection = http.client.HTTPConnection(address, timeout=20)
    connection.request("GET", "/overview")
    assert connection.getresponse().headers["Access-Control-Allow-Origin"] == embedded.flink


def test_behind_the_door_nobody_is_heard_without_the_key(embedded: Stack) -> None:
    """Whatever user it is: here the owner himself, with TLS but no certificate, on every port of Flink's."""
    record = embedded.record()
    ports = {read_plan(Layout(embedded.workdir)).inner_flink_port}
    for name in ("jobmanager", "taskmanager-1"):
        connections = psutil.Process(record.processes[name].pid).net_connections("tcp")
        ports |= {connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert len(ports) >= 4
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for port in ports:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            plain.sendall(JAVA_OBJECT * 100)
            assert b"HTTP" not in _until_closed(plain)
        with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
            assert _greeted(context, plain) == b"", port


def _greeted(context: ssl.SSLContext, plain: socket.socket) -> bytes:
    """What comes back over TLS without a certificate; in TLS 1.3 the refusal comes with the first answer."""
    with suppress(OSError):
        secure = context.wrap_socket(plain)
        secure.sendall(b"GET /overview HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return secure.recv(4_096)
    return b""


def _until_closed(connection: socket.socket) -> bytes:
    with suppress(OSError):
        return b"".join(iter(lambda: connection.recv(4_096), b""))
    return b""


@pytest.fixture
def stranger(embedded: Stack) -> Iterator[redis.Redis]:
    """A client that knows where Redis is, and no password."""
    with redis.Redis.from_url(without_password(embedded.redis)) as client:
        yield client


def test_redis_asks_for_the_password(embedded: Stack, stranger: redis.Redis) -> None:
    assert "@" in embedded.redis
    for command in (("GET", "heliotrope:profile:x"), ("CONFIG", "SET", "dir", "/tmp"), ("FLUSHALL",), ("MONITOR",)):
        with pytest.raises(redis.AuthenticationError):
            stranger.execute_command(*command)  # type: ignore[no-untyped-call]
    with redis.Redis.from_url(embedded.redis) as owner:
        assert owner.ping()


def test_even_with_the_password_files_are_written_nowhere_else(embedded: Stack) -> None:
    refused = (
        ("CONFIG", "SET", "dir", "/tmp"),
        ("CONFIG", "SET", "dbfilename", "authorized_keys"),
        ("MODULE", "LOAD", "/tmp/x.so"),
        ("DEBUG", "SLEEP", "0"),
        ("SLAVEOF", "127.0.0.1", "1"),
        ("REPLICAOF", "127.0.0.1", "1"),
    )
    with redis.Redis.from_url(embedded.redis) as owner:
        for command in refused:
            with pytest.raises(redis.ResponseError, match=r"protected|not allowed|unknown command"):
                owner.execute_command(*command)


def test_no_secret_is_in_an_argument_or_a_log(embedded: Stack) -> None:
    layout = Layout(embedded.workdir)
    secret = layout.redis_password.read_text()
    supervisor = psutil.Process(embedded.record().supervisor.pid)
    for process in (supervisor, *supervisor.children(recursive=True)):
        with suppress(psutil.Error):
            assert secret not in " ".join(process.cmdline())
    for log in layout.logs.iterdir():
        assert secret not in log.read_text(errors="replace"), log
    rest = FlinkRest(embedded.flink)
    job = embedded.record().job.id
    for path in (f"/jobs/{job}", f"/jobs/{job}/config", f"/jobs/{job}/plan", "/jobmanager/config"):
        assert secret not in str(rest._fetch(path)), path


def test_all_files_are_their_owners_alone(embedded: Stack) -> None:
    open_to_others = []
    for folder, folders, files in os.walk(embedded.workdir):
        for path in (Path(folder) / name for name in (*folders, *files)):
            with suppress(FileNotFoundError):
                mode = path.lstat().st_mode
                if not stat.S_ISLNK(mode) and mode & 0o077:
                    open_to_others.append(f"{stat.filemode(mode)} {path}")
    assert stat.S_IMODE(embedded.workdir.stat().st_mode) == 0o700
    assert open_to_others == []
