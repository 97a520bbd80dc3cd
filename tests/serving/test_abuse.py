"""What somebody does who means harm, on real sockets: each is refused, and the server goes on serving everybody else."""

import gzip
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from serving.tokens import SessionTokens
from tests.redis_server import RedisServer
from tests.serving.live_server import LiveServer, live_server
from tests.serving.push.published import publish

PATIENCE_S = 30.0
LATER_MS = 4_000_000_000_000
SECRET = "s" * 32
HEADER_TIMEOUT_S = 1.0


class Answer(NamedTuple):
    """An answer as it came; nothing at all if the connection was closed without one."""

    status: int
    head: str
    body: bytes

    def header(self, name: str) -> str | None:
        found = re.search(rf"(?im)^{name}: *(.*?)\r?$", self.head)
        return found[1] if found else None


NONE = Answer(0, "", b"")


@pytest.fixture(scope="module")
def victim(redis_place: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that asks for tokens, and is in a hurry."""
    folder: Path = tmp_path_factory.mktemp("abuse")
    secrets = folder / "secrets"
    secrets.write_text(SECRET)
    serving = {
        "header_timeout": f"{HEADER_TIMEOUT_S} s",
        "body_timeout": "1 s",
        "session_tokens": True,
        "session_tokens_file": str(secrets),
    }
    with live_server(folder, redis={"url": redis_place.url}, serving=serving) as server:
        yield server


@pytest.fixture(autouse=True)
def goes_on_serving(victim: LiveServer) -> Iterator[None]:
    """The same worker answers after each test."""
    workers = victim.workers()
    yield
    assert get(victim, "/healthz").status == 200
    assert victim.workers() == workers, "a worker died"


def connected(server: LiveServer) -> socket.socket:
    return socket.create_connection((server.host, server.port), timeout=PATIENCE_S)


def exchange(server: LiveServer, request: bytes) -> Answer:
    """Send raw bytes, and read one answer or the end."""
    with closing(connected(server)) as connection:
        try:
            connection.sendall(request)
            return answer_on(connection)
        except (BrokenPipeError, ConnectionResetError):  # refused while it was still being sent
            return NONE


def answer_on(connection: socket.socket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65_536)
        if not piece:
            return NONE
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = re.search(r"(?im)^content-length: *(\d+)", text)
    while length and len(body) < int(length[1]):
        piece = connection.recv(65_536)
        if not piece:
            break
        body += piece
    return Answer(int(text.split()[1]), text, body)


def get(server: LiveServer, target: str, *headers: str) -> Answer:
    lines = [f"GET {target} HTTP/1.1", "host: localhost", *headers, "connection: close", "", ""]
    return exchange(server, "\r\n".join(lines).encode("latin-1"))


def upgrade(server: LiveServer, target: str, *headers: str) -> Answer:
    key = ("upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
    lines = [f"GET {target} HTTP/1.1", "host: localhost", "connection: Upgrade", *key, *headers, "", ""]
    return exchange(server, "\r\n".join(lines).encode("latin-1"))


def post(server: LiveServer, body: bytes, *headers: str) -> Answer:
    lines = ["POST /v1/track HTTP/1.1", "host: localhost", "content-type: application/json", *headers]
    lines += [f"content-length: {len(body)}", "connection: close", "", ""]
    return exchange(server, "\r\n".join(lines).encode() + body)


def is_refused(answer: Answer) -> bool:
    """Say if it was a refusal in good order, or no answer at all."""
    return answer == NONE or 400 <= answer.status < 500


# slow requests


@pytest.mark.parametrize(
    "sent", [b"", b"GET", b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: "], ids=["nothing", "word", "header"]
)
def test_headers_that_never_end_are_given_up(victim: LiveServer, sent: bytes) -> None:
    with closing(connected(victim)) as connection:
        connection.sendall(sent)
        assert is_refused(answer_on(connection))


def test_headers_that_dribble_are_given_up_too(victim: LiveServer) -> None:
    """The bound is for all of the headers, so a byte now and then does not lengthen it."""
    with closing(connected(victim)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ")
        deadline = time.monotonic() + PATIENCE_S
        try:
            while time.monotonic() < deadline:
                connection.sendall(b"a")
                connection.settimeout(0.05)
                try:
                    if not connection.recv(65_536):
                        return
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            return
    raise AssertionError("the server waits for as long as bytes come")


def test_a_body_that_never_comes_is_given_up(victim: LiveServer) -> None:
    with closing(connected(victim)) as connection:
        connection.sendall(
            b"POST /v1/track HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"
        )
        assert answer_on(connection).status == 408


def test_many_who_say_nothing_keep_nobody_out(victim: LiveServer) -> None:
    with ExitStack() as stack:
        for _ in range(500):
            stack.enter_context(closing(connected(victim)))
        assert get(victim, "/healthz").status == 200


# large requests


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"GET /v1/stream/a?" + b"a=b&" * 5_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
    ],
    ids=["path", "header", "headers", "query"],
)
def test_requests_that_are_too_large_are_refused(victim: LiveServer, request_bytes: bytes) -> None:
    assert is_refused(exchange(victim, request_bytes))


def test_a_body_that_is_too_large_is_refused(victim: LiveServer) -> None:
    assert is_refused(post(victim, b"[" + b" " * 2_000_000 + b"]"))


def test_a_body_that_grows_when_unpacked_is_refused(victim: LiveServer) -> None:
    assert post(victim, gzip.compress(b" " * 50_000_000), "content-encoding: gzip").status == 413


def test_deep_json_is_refused(victim: LiveServer) -> None:
    assert post(victim, b"[" * 200_000).status == 400


# requests that are not what they say


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n x: folded\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}}",
        b"POST /v1/track HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nhost: a\r\nx-secret: s\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nhost: evil.example\r\n\r\n",
        b"GET http://evil.example/latest/meta-data HTTP/1.1\r\nhost: evil.example\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused(victim: LiveServer, request_bytes: bytes) -> None:
    answer = exchange(victim, request_bytes)
    assert is_refused(answer)
    assert b"x-secret" not in answer.body


def test_a_second_request_cannot_hide_in_a_body(victim: LiveServer) -> None:
    """With both lengths given, a proxy may believe one and the server the other."""
    request = (
        b"POST /v1/track HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /v1/smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
    )
    assert is_refused(exchange(victim, request))


# headers by way of values


INJECTION = "%0d%0ax-injected:%20yes%0d%0a%0d%0a"


@pytest.mark.parametrize(
    "target",
    [
        f"/v1/stream/{INJECTION}",
        f"/v1/stream/a?last_event_id={INJECTION}",
        f"/v1/stream/a?token={INJECTION}",
        f"/v1/profile/{INJECTION}",
        f"/v1/profile/a?region={INJECTION}",
        f"/p/{INJECTION}",
        f"/{INJECTION}",
        f"/?{INJECTION}",
    ],
)
def test_no_value_becomes_a_header(victim: LiveServer, target: str) -> None:
    assert get(victim, target).header("x-injected") is None


@pytest.mark.parametrize(
    "target", ["/v1/stream", "/v1/profile", "/v1/track/", "/docs/", "/healthz/", "//evil.example/a"]
)
def test_no_answer_sends_anybody_to_the_hosts_own_word(victim: LiveServer, target: str) -> None:
    answer = exchange(victim, f"GET {target} HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n".encode())
    assert "evil.example" not in (answer.header("location") or "")


def test_events_hold_no_line_of_a_session_id(victim: LiveServer) -> None:
    """U+2028 is no control character, so an id may have it; JSON and the bytes of a stream must not take it for a line's end."""
    session_id = "a\u2028b"
    token = SessionTokens([SECRET.encode()]).mint(session_id, LATER_MS)
    with closing(connected(victim)) as connection:
        connection.sendall(
            f"GET /v1/stream/a%E2%80%A8b?token={token} HTTP/1.1\r\nhost: a\r\n\r\n".encode(),
        )
        assert answer_on(connection).status == 200


# files


@pytest.mark.parametrize("prefix", ["", "/v1", "/p", "/static", "/assets", "/docs", "/admin"])
@pytest.mark.parametrize(
    "path",
    [
        "/../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/..%5c..%5c..%5cetc%5cpasswd",
        "/....//....//....//etc/passwd",
        "/%252e%252e/%252e%252e/etc/passwd",
        "//etc/passwd",
        "/%00/etc/passwd",
        "/../heliotrope.yaml",
        "/.git/config",
    ],
)
def test_no_path_leads_to_a_file_of_the_machine(victim: LiveServer, prefix: str, path: str) -> None:
    answer = get(victim, prefix + path)
    assert answer == NONE or answer.status < 500
    assert b"root:" not in answer.body
    assert b"bootstrap" not in answer.body
    assert b"[core]" not in answer.body


# sessions of others


@pytest.mark.parametrize("token", ["", "v1.4000000000000." + "A" * 43, "v1.1.x", "%00", "null"])
def test_no_answer_says_whether_a_session_exists(victim: LiveServer, redis_place: RedisServer, token: str) -> None:
    with redis.Redis.from_url(redis_place.url) as shop:
        publish(shop, "session-that-is-there", version=3)
    for ask, route in ((get, "stream"), (upgrade, "ws"), (get, "profile")):
        there = ask(victim, f"/v1/{route}/session-that-is-there?token={token}")
        nobody = ask(victim, f"/v1/{route}/session-that-is-gone!?token={token}")
        assert there.status == 401, route
        assert there.body == nobody.body
        assert without_date(there) == without_date(nobody)


def without_date(answer: Answer) -> str:
    return re.sub(r"(?im)^(date|sec-websocket-accept):.*\n?", "", answer.head)


def test_a_token_of_one_session_opens_no_other(victim: LiveServer) -> None:
    token = SessionTokens([SECRET.encode()]).mint("mine", LATER_MS)
    for route in ("stream", "ws", "profile"):
        ask = upgrade if route == "ws" else get
        assert ask(victim, f"/v1/{route}/other?token={token}").status == 401
        assert ask(victim, f"/v1/{route}/mine%20?token={token}").status == 401
        assert ask(victim, f"/v1/{route}/other", f"authorization: Bearer {token}").status == 401


def test_no_path_lists_sessions(victim: LiveServer) -> None:
    for target in (
        "/v1/stream/",
        "/v1/ws/",
        "/v1/profile/",
        "/v1/profile",
        "/v1/profile/*",
        "/v1/stream/?session_id=*",
    ):
        answer = get(victim, target)
        assert 400 <= answer.status < 500 or b"session-that-is-there" not in answer.body


@pytest.mark.parametrize("page", ["/admin", "/admin/figures", "/admin/dead-letters", "/admin/session?session_id=a"])
@pytest.mark.parametrize("header", ["host: evil.example", "x-forwarded-for: 203.0.113.9", "forwarded: for=203.0.113.9"])
def test_the_operators_page_opens_for_nobody_from_elsewhere(victim: LiveServer, page: str, header: str) -> None:
    """Not by a proxy on this machine, and not by a name that a page of another site lets lead here."""
    host = header if header.startswith("host") else "host: localhost\r\n" + header
    answer = exchange(victim, f"GET {page} HTTP/1.1\r\n{host}\r\nconnection: close\r\n\r\n".encode())
    assert answer.status == 403


# sockets


def masked(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """A frame of a client; the mask is zero."""
    length = len(payload)
    size = bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + length.to_bytes(2, "big")
    return bytes([(0x80 if final else 0) | opcode]) + size + b"\0\0\0\0" + payload


@pytest.mark.parametrize(
    "frames",
    [
        b"\x81\x05hello",
        b"\xff" * 64,
        masked(0x3, b"x"),
        masked(0x1, b"\xff\xfe"),
        masked(0x9, b"p" * 200),
        b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0",
        masked(0x1, b"a", final=False) + masked(0x1, b"b"),
        masked(0x0, b"a"),
    ],
    ids=["unmasked", "noise", "opcode", "utf-8", "long-ping", "endless", "interleaved", "continuation"],
)
def test_frames_that_break_the_protocol_end_the_socket(victim: LiveServer, frames: bytes) -> None:
    token = SessionTokens([SECRET.encode()]).mint("mine", LATER_MS)
    key = "upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    with closing(connected(victim)) as connection:
        connection.sendall(
            f"GET /v1/ws/mine?token={token} HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\n{key}\r\n".encode()
        )
        assert answer_on(connection).status == 101
        connection.sendall(frames)
        try:
            while connection.recv(65_536):
                pass
        except ConnectionResetError:
            pass


@pytest.mark.parametrize("left_out", ["sec-websocket-key", "sec-websocket-version"])
def test_a_handshake_without_its_headers_is_refused(victim: LiveServer, left_out: str) -> None:
    headers = {"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"}
    del headers[left_out]
    lines = ["GET /v1/ws/a HTTP/1.1", "host: a", "connection: Upgrade", "upgrade: websocket"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    assert is_refused(exchange(victim, "\r\n".join([*lines, "", ""]).encode()))


def test_a_plain_request_to_a_sockets_path_is_refused(victim: LiveServer) -> None:
    answer = get(victim, "/v1/ws/mine")
    assert is_refused(answer)
    assert json.loads(answer.body)["status"] == answer.status
