"""One connection for many questions, and what becomes of it when the other end goes."""

import json
import ssl
import threading
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.stack.certificates import client_context, make_identity
from cli.stack.flink_rest import FlinkRest
from cli.stack.ports import LOOPBACK


class Server(ThreadingHTTPServer):
    """A JobManager that knows one job, and counts who came in; `hangs_up` closes after each answer without a word of it."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.connections, self.hangs_up, self.answer = 0, False, b""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def do_GET(self) -> None:
        known = self.path == "/jobs"
        body = self.server.answer or json.dumps({"jobs": [{"id": "a", "status": "RUNNING"}]}).encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.server.hangs_up

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return make_identity(tmp_path / "keys", "rest").pem


@pytest.fixture
def server(keys: Path) -> Iterator[Server]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(keys))
    context.load_cert_chain(keys)
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(context)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def rest(server: Server, keys: Path) -> FlinkRest:
    return FlinkRest(f"https://{LOOPBACK}:{server.server_address[1]}", context=client_context(keys))


def test_all_questions_go_over_one_connection(server: Server, rest: FlinkRest) -> None:
    assert [rest.job_state("a") for _ in range(5)] == ["RUNNING"] * 5
    assert rest.job("b") == {}, "an error is an answer too"
    assert server.connections == 1


def test_a_connection_that_the_other_end_has_closed_is_opened_anew(server: Server, rest: FlinkRest) -> None:
    server.hangs_up = True
    assert [rest.job_state("a") for _ in range(3)] == ["RUNNING"] * 3
    assert server.connections == 3


def test_an_error_is_told_as_one(rest: FlinkRest) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        rest.version()
    assert caught.value.code == 404


def test_nobody_there_is_no_answer(server: Server, rest: FlinkRest, keys: Path) -> None:
    nowhere = FlinkRest(f"https://{LOOPBACK}:1", context=client_context(keys))
    for _ in range(2):
        with pytest.raises(OSError, match="refused"):
            nowhere.job_state("a")


def test_who_is_not_known_is_not_asked(server: Server, tmp_path: Path) -> None:
    other = make_identity(tmp_path / "others", "rest").pem
    stranger = FlinkRest(f"https://{LOOPBACK}:{server.server_address[1]}", context=client_context(other))
    with pytest.raises(OSError, match="certificate"):
        stranger.job_state("a")
