"""What all routes share: problems, documents, headers, health."""

import re
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from serving.address import ServingError, check_open_door, is_loopback
from serving.app import create_app
from serving.problems import Refusal
from state.configuration import Serving, Settings


def test_an_unknown_path_is_a_problem(client: TestClient) -> None:
    answer = client.get("/nothing/here")
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["status"], answer.json()["title"]) == (404, 404, "Not Found")
    assert {"type", "title", "status", "detail"} <= answer.json().keys()


def test_a_wrong_method_names_those_that_are_taken(client: TestClient) -> None:
    answer = client.post("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (405, 405)
    assert "GET" in answer.headers["allow"]


def test_an_unexpected_error_says_nothing_of_the_inside(settings: Settings) -> None:
    async def fail(request: Request) -> Response:
        raise RuntimeError("the password is hunter2")

    app = create_app(settings)
    app.router.routes.append(Route("/fails", fail))
    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/fails")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "hunter2" not in answer.text


def test_a_refusal_carries_its_reason_field_and_headers(settings: Settings) -> None:
    async def refuse(request: Request) -> Response:
        raise Refusal(429, "too many", reason="too_large", field="x", headers={"retry-after": "3"})

    app = create_app(settings)
    app.router.routes.append(Route("/refuses", refuse))
    with TestClient(app) as client:
        answer = client.get("/refuses")
    assert answer.headers["retry-after"] == "3"
    assert answer.json() == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "too many",
        "reason": "too_large",
        "field": "x",
    }


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/openapi.json", "/nothing"])
def test_every_answer_has_the_security_headers(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "object-src 'none'" in headers["content-security-policy"]


def test_the_document_is_openapi_3_1_and_covers_every_route(client: TestClient) -> None:
    document: dict[str, Any] = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    served = {re.sub(r":\w+}", "}", route.path) for route in client.app.router.routes}  # type: ignore[attr-defined]
    assert set(document["paths"]) <= served
    assert {"/healthz", "/readyz", "/metrics"} <= set(document["paths"])


def test_the_page_of_the_document_loads_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "<script" not in page
    assert "src=" not in page
    assert page.count("href=") == page.count('href="/openapi.json"')


def test_the_metrics_count_requests_by_route_not_by_path(client: TestClient) -> None:
    client.get("/some/path/of/a/client")
    text = client.get("/metrics").text
    assert 'heliotrope_http_requests_total{method="GET",route="unmatched",status="404"}' in text
    assert "/some/path" not in text


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("shop", False)],
)
def test_loopback_is_known(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_host_open_to_others_needs_write_keys() -> None:
    check_open_door(Serving())
    check_open_door(Serving(host="0.0.0.0", write_keys_file="/some/file"))
    with pytest.raises(ServingError, match=r"serving\.write_keys_file"):
        check_open_door(Serving(host="0.0.0.0"))
