"""Bad input of thirty kinds to every path: never an error of the server, and always a problem that says what is wrong."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from jobs.settings import settings_from
from serving.app import create_app
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer

JSON = {"content-type": "application/json"}
VIEW = {"session_id": "s", "event_type": "product_view", "product_id": "p"}
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "a blank": b" ",
    "no JSON": b"{",
    "null": b"null",
    "a number": b"1e999",
    "text": b'"text"',
    "an empty object": b"{}",
    "an empty list": b"[]",
    "lists in lists": b"[" * 200_000,
    "objects in objects": b'{"a":' * 100_000,
    "no UTF-8": b'{"session_id": "\xff\xfe"}',
    "half of a surrogate pair": b'{"session_id": "\\ud800", "event_type": "erase"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a NUL": b'{"session_id": "\\u0000", "event_type": "erase"}',
    "too large": b'{"session_id": "' + b"a" * 600_000 + b'"}',
    "too many events": json.dumps({"events": [VIEW] * 101}).encode(),
    "events that are none": json.dumps({"events": [None, 1, "x", [], {}]}).encode(),
    "events that are no list": json.dumps({"events": {"a": VIEW}}).encode(),
    "wrong types": json.dumps({name: [] for name in VIEW}).encode(),
    "a huge number": json.dumps({**VIEW, "timestamp": 10**40}).encode(),
    "a negative time": json.dumps({**VIEW, "timestamp": -1}).encode(),
    "not a number": b'{"session_id": "s", "event_type": "erase", "price": NaN}',
    "the same name twice": b'{"session_id": "s", "session_id": "t", "event_type": "erase", "event_type": 5}',
    "a long id": json.dumps({**VIEW, "session_id": "s" * 129}).encode(),
    "a form": b"data=%zz&data=1&" + b"a=1&" * 100,
    "base64 of nothing": b"data====",
    "gzip of nothing": gzip.compress(b""),
    "a bomb": gzip.compress(b"0" * 30_000_000),
    "a script": json.dumps(
        {**VIEW, "session_id": "<script>alert(1)</script>", "event_type": "../../etc/passwd"}
    ).encode(),
}
HEADERS: dict[str, dict[str, str]] = {
    "JSON": JSON,
    "plain text": {"content-type": "text/plain"},
    "a form": {"content-type": "application/x-www-form-urlencoded"},
    "lines": {"content-type": "application/x-ndjson"},
    "no type": {},
    "gzip": {**JSON, "content-encoding": "gzip"},
}
QUERIES = (
    "",
    "?limit=-1&wait_ms=1e99&budget_ms=x&min_version=%00&since_ms=" + "9" * 40,
    "?region=%ff&metadata=2&last_event_id=%0d%0aX:1&write_key=" + "k" * 2_000,
    "?" + "&".join(f"a{number}=1" for number in range(300)),
    "?limit=&limit=2&wait_ms=&budget_ms=0",
)
NAMES = ("s", "%00", "%2e%2e%2f", "a" * 200, "%ff%fe", "%F0%9F%9B%92", "<script>", "a%0d%0ab")
STREAMS = ("/v1/stream", "/v1/ws")
"""They stay open; `tests/serving/push` has their bad input."""


@pytest.fixture(scope="module")
def client(kafka_place: KafkaServer, redis_place: RedisServer) -> Iterator[TestClient]:
    """Requests fail here as they would in a worker, with the error that nobody expected."""
    tree: dict[str, Any] = {"redis": {"url": redis_place.url}, "kafka": {"bootstrap": kafka_place.bootstrap}}
    with TestClient(create_app(settings_from(tree))) as found:
        yield found


def paths(client: TestClient, method: str) -> list[str]:
    routes = client.app.router.routes  # type: ignore[attr-defined]
    return [
        route.path
        for route in routes
        if isinstance(route, Route) and method in (route.methods or ()) and not route.path.startswith(STREAMS)
    ]


@pytest.mark.parametrize("kind", BODIES)
def test_bad_bodies_are_refused_everywhere(client: TestClient, kind: str) -> None:
    for path in paths(client, "POST"):
        for name, headers in HEADERS.items():
            answer = client.post(path.replace("{session_id}", "s"), content=BODIES[kind], headers=headers)
            assert answer.status_code < 500 or answer.status_code == 503, (path, name, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert {"type", "title", "status", "detail"} <= answer.json().keys()


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("name", NAMES)
def test_bad_names_and_queries_are_refused_everywhere(client: TestClient, name: str, query: str) -> None:
    for path in paths(client, "GET"):
        target = path
        for parameter in ("{session_id}", "{product_id}", "{name}", "{path:path}", "{file:path}"):
            target = target.replace(parameter, name)
        if path == "/readyz":
            continue
        answer = client.get(f"{target}{query}")
        assert answer.status_code < 500, (target, query, answer.text)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "GET", "HEAD"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    answer = client.request(method, "/v1/track")
    assert (answer.status_code, answer.headers["content-type"]) == (405, "application/problem+json")
