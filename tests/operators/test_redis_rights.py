"""Redis with a user of few rights, and over TLS: what `docs/redis.md` says is enough."""

import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import redis

from cli.errors import UserError
from cli.redis_client import connect
from operators.counters import Counters
from operators.redis.health import RedisHealth
from operators.redis.lists import PopularWriter
from operators.redis.profiles import ProfileWriter
from operators.session.rebuild import REPORT, reports_key
from state.profile.memory_budget import MemoryBudget
from tests.operators.flink_fakes import Context, RuntimeContext
from tests.operators.test_profile_writer import wait_until, write
from tests.redis_server import RedisServer, redis_server

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"


def rights(name: str, of_cluster: bool = False) -> list[str]:
    """The rights of a user as the page gives them, or what a cluster needs besides."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"ACL SETUSER {name} ")]
    return lines[of_cluster].split()[3:]


def set_user(client: redis.Redis, name: str) -> None:
    client.execute_command("ACL", "SETUSER", name, *rights(name))  # type: ignore[no-untyped-call]


def login(server: RedisServer, user: str) -> str:
    return server.url.replace("unix://", f"unix://{user}:SECRET@")


def all_that_the_job_asks(url: str) -> Counter[str]:
    """What the job's two writers and its watch do with a Redis; returns what was counted."""
    counts: Counter[str] = Counter()

    def count(name: str, by: int) -> None:
        counts[name] += by

    client = redis.Redis.from_url(url, socket_timeout=5)
    writer = ProfileWriter(client, "heliotrope", 60_000, 1, 100, count)
    watch = RedisHealth(writer, "heliotrope", Counters(RuntimeContext(Context())), MemoryBudget(None, 1))
    writer.put("s", write())
    writer.delete("gone")
    writer.settle()
    writer._pipe._unanswered = 1  # as after a connection that was given up
    writer._pipe.drop()
    writer.put("s", write(version=2))
    writer.settle()

    def knows() -> bool:
        watch.ask(0)
        return bool(watch.epoch and watch.used_bytes)

    wait_until(knows)
    client.eval(REPORT, 1, reports_key("heliotrope"), "b", "{}", "1000")
    PopularWriter(client, "heliotrope", 60_000, count).write([("EU", b'{"region":"EU","updated_at":1}')])
    writer.close()
    return counts


def test_the_jobs_user_needs_no_more_than_the_page_says(server: RedisServer) -> None:
    client = server.start()
    set_user(client, "heliotrope")
    counts = all_that_the_job_asks(login(server, "heliotrope"))
    assert (counts["profiles_written"], counts["popular_written"], counts["redis_retries"]) == (2, 1, 0)
    allowed = connect(login(server, "heliotrope"), None, 5)
    for refused in (["GET", "other:key"], ["CONFIG", "SET", "dir", "/"], ["FLUSHALL"], ["KEYS", "*"]):
        with pytest.raises(redis.exceptions.NoPermissionError):
            allowed.execute_command(*refused)  # type: ignore[no-untyped-call]


def test_the_readers_user_reads_and_listens_and_changes_nothing(server: RedisServer) -> None:
    client = server.start()
    client.set("heliotrope:profile:s", "{}")
    set_user(client, "shop")
    reader = connect(login(server, "shop"), None, 5)
    assert reader.get("heliotrope:profile:s") == b"{}"
    listener = reader.pubsub()  # type: ignore[no-untyped-call]
    listener.subscribe("heliotrope:profile-updated")
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    with pytest.raises(redis.exceptions.NoPermissionError):
        reader.set("heliotrope:profile:s", "x")


@pytest.mark.parametrize(
    ("user", "password"), [("", "wrong"), ("heliotrope", "wrong"), ("", None)], ids=["wrong", "wrong of a user", "none"]
)
def test_a_login_that_fails_is_called_so_without_the_password(
    server: RedisServer, user: str, password: str | None
) -> None:
    client = server.start()
    set_user(client, "heliotrope")
    client.config_set("requirepass", "right")
    url = server.url.replace("unix://", f"unix://{user}@") if user else server.url
    with pytest.raises(UserError, match="refuses the login") as refused:
        connect(url, password, 5)
    assert "wrong" not in str(refused.value)
    assert "no Redis answers" not in str(refused.value)


def test_a_right_that_is_missing_is_named(server: RedisServer) -> None:
    client = server.start()
    client.execute_command("ACL", "SETUSER", "few", "on", ">SECRET", "-@all")  # type: ignore[no-untyped-call]
    with pytest.raises(UserError, match=r"refuses the user a command or key.*docs/redis.md"):
        connect(login(server, "few"), None, 5)


def test_a_cluster_is_recognised(server: RedisServer) -> None:
    with redis_server() as cluster:
        cluster.start("--cluster-enabled", "yes")
        with pytest.raises(UserError, match=r"is in cluster mode.*write redis\+cluster://"):
            connect(cluster.url, None, 5)


@contextmanager
def tls_before(server: RedisServer, folder: Path) -> Iterator[tuple[str, Path]]:
    """TLS as many Redis have it, a proxy before the server: neither embedded binary is built with it. Yields URL and authority."""
    certificates = pytest.importorskip("cli.stack.certificates", reason="no certificates can be made here")
    pem = certificates.make_identity(folder, "redis").pem
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))
    path = server.url.removeprefix("unix://").partition("?")[0]
    threading.Thread(target=_serve, args=(listener, context, path), daemon=True).start()
    try:
        yield f"rediss://127.0.0.1:{listener.getsockname()[1]}/0", pem
    finally:
        listener.close()


def _serve(listener: socket.socket, context: ssl.SSLContext, path: str) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listener.accept()
            with suppress(OSError):  # a client that does not trust us hangs up
                threading.Thread(
                    target=_join, args=(context.wrap_socket(plain, server_side=True), path), daemon=True
                ).start()


def _join(outer: ssl.SSLSocket, path: str) -> None:
    inner = socket.socket(socket.AF_UNIX)
    inner.connect(path)
    outer.settimeout(0.001)
    inner.settimeout(0.001)
    while True:
        for source, target in ((outer, inner), (inner, outer)):
            try:
                data = source.recv(65_536)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                outer.close()
                inner.close()
                return
            target.settimeout(5)
            target.sendall(data)
            target.settimeout(0.001)


def test_redis_over_tls(server: RedisServer, tmp_path: Path) -> None:
    client = server.start()
    set_user(client, "heliotrope")
    with tls_before(server, tmp_path / "keys") as (url, authority):
        with_login = url.replace("rediss://", "rediss://heliotrope:SECRET@")
        counts = all_that_the_job_asks(f"{with_login}?ssl_ca_certs={authority}")
        assert (counts["profiles_written"], counts["redis_retries"]) == (2, 0)
        assert connect(f"{with_login}?ssl_ca_certs={authority}", None, 5).ping()
        with pytest.raises(UserError, match=r"no Redis answers at rediss://127.0.0.1:\d+/0 \(.*certificate") as refused:
            connect(with_login, None, 5)
        assert "SECRET" not in str(refused.value)
