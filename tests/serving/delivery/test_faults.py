"""The real server while Redis is killed, stopped and slow: 200 with a source, always."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest

from tests.serving.live_server import LiveServer, live_server
from tests.serving.reader.servers import Shop, shop
from tests.serving.slow_proxy import SlowProxy, slow_proxy

READS, AT_ONCE = 400, 16
READER = {"failures": 3, "give_up_after": "500 ms", "lag": "60 s"}


@pytest.fixture(scope="module")
def data() -> Iterator[Shop]:
    with shop() as found:
        yield found


@pytest.fixture(scope="module")
def slow(data: Shop) -> Iterator[SlowProxy]:
    with slow_proxy(data.socket) as found:
        yield found


@pytest.fixture(scope="module")
def live(slow: SlowProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("live"), redis={"url": slow.url}, serving={"reader": READER}) as server:
        yield server


@pytest.fixture
def healthy(live: LiveServer, data: Shop, slow: SlowProxy) -> None:
    """The test begins when fresh profiles are read again."""
    fresh = 0
    for _ in range(3_000):
        fresh = fresh + 1 if source(read(live, "s0")) == "profile" else 0
        if fresh == 3:
            return
    pytest.fail("the server reads no fresh profiles")


def read(live: LiveServer, session_id: str, query: str = "region=EU") -> tuple[int, dict[str, Any]]:
    """One read over a connection of its own: status and body."""
    connection = http.client.HTTPConnection(live.host, live.port, timeout=60)
    try:
        connection.request("GET", f"/v1/profile/{quote(session_id, safe='')}?{query}")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def source(answer: tuple[int, dict[str, Any]]) -> str:
    """Where an answer comes from."""
    found: str = answer[1]["served"]["source"]
    return found


def reads(live: LiveServer) -> Counter[tuple[int, str, str | None]]:
    """Many reads, of known and unknown sessions: how often which status, source and reason."""

    def one(number: int) -> tuple[int, str, str | None]:
        status, profile = read(live, f"s{number % 40}")
        return status, profile["served"]["source"], profile["served"].get("reason")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return Counter(threads.map(one, range(READS)))


def all_good(found: Counter[tuple[int, str, str | None]], sources: set[str], reasons: set[str | None]) -> None:
    """Every answer is 200, of these sources and for these reasons."""
    assert found.total() == READS
    assert {status for status, _, _ in found} == {200}
    assert {name for _, name, _ in found} <= sources
    assert {reason for _, _, reason in found} <= reasons


def test_redis_killed(healthy: None, live: LiveServer, data: Shop) -> None:
    data.server.kill()
    found = reads(live)
    data.client = data.server.start()
    data.fill()
    all_good(found, {"stale", "region"}, {"redis_away", "breaker_open", "redis_slow"})
    assert (200, "stale", "breaker_open") in found


def test_redis_stopped(healthy: None, live: LiveServer, data: Shop) -> None:
    data.server.stall()
    try:
        found = reads(live)
    finally:
        data.server.wake()
    before_it_stood = {None, "no_profile"}  # a signal takes its time
    all_good(found, {"stale", "region", "profile"}, {"redis_away", "breaker_open", "redis_slow", *before_it_stood})
    assert (200, "stale", "breaker_open") in found


def test_redis_slow(healthy: None, live: LiveServer, slow: SlowProxy) -> None:
    slow.delay_s = 0.5
    try:
        found = reads(live)
    finally:
        slow.delay_s = 0.0
    all_good(found, {"stale", "region", "profile"}, {"redis_slow", "breaker_open", "redis_away"})
    assert found[200, "stale", "redis_slow"] > 0


@pytest.mark.parametrize("session_id", ["%2F", "..%2f..", "a/../b", "//", ".", "+", "a b", "é", "%"])
def test_a_session_id_is_decoded_once(live: LiveServer, session_id: str) -> None:
    status, profile = read(live, session_id)
    assert (status, profile["session_id"]) == (200, session_id)


@pytest.mark.parametrize("raw", ["%ff", "%C3", "a%ED%A0%80", "%0d%0aX-Injected:1", "%00", ""])
def test_what_is_no_session_id_is_refused(live: LiveServer, raw: str) -> None:
    connection = http.client.HTTPConnection(live.host, live.port, timeout=60)
    connection.request("GET", f"/v1/profile/{raw}")
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert problem["field"] == "session_id"
    assert answer.headers["x-injected"] is None
    connection.close()


def test_a_profile_written_meanwhile_is_waited_for(healthy: None, live: LiveServer, data: Shop) -> None:
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(read, live, "late", "min_version=1&wait_ms=10000")
        data.put("late")
        notice = {"session_id": "late", "version": 1, "updated_at": 1}
        data.client.publish("heliotrope:profile-updated", json.dumps(notice))
        status, profile = waiting.result()
    assert (status, profile["version"]) == (200, 1)
