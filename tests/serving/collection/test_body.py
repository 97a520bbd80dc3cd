"""Bodies of requests: bounds, gzip, types."""

import gzip

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from serving.collection.body import MOST_BYTES, gunzip, read_body
from serving.problems import HANDLERS, Refusal

JSON = {"content-type": "application/json"}


@pytest.fixture
def echo() -> TestClient:
    async def answer(request: Request) -> Response:
        return Response(await read_body(request, 5))

    return TestClient(Starlette(routes=[Route("/", answer, methods=["POST"])], exception_handlers=HANDLERS))


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain;charset=UTF-8", 'Application/JSON; charset="utf-8"', "text/plain"]
)
def test_json_and_plain_text_are_taken(echo: TestClient, kind: str) -> None:
    assert echo.post("/", content=b"{}", headers={"content-type": kind}).content == b"{}"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": ""},
        {"content-type": "application/json; charset=latin-1"},
        JSON | {"content-encoding": "br"},
        JSON | {"content-encoding": "gzip, gzip"},
    ],
)
def test_other_types_and_codings_are_refused(echo: TestClient, headers: dict[str, str]) -> None:
    assert echo.post("/", content=b"{}", headers=headers).status_code == 415


def test_gzip_is_unpacked_also_of_several_members(echo: TestClient) -> None:
    packed = gzip.compress(b'{"a":') + gzip.compress(b"1}")
    assert echo.post("/", content=packed, headers=JSON | {"content-encoding": "gzip"}).content == b'{"a":1}'


@pytest.mark.parametrize("size", [MOST_BYTES, MOST_BYTES + 1])
def test_the_bound_holds_for_what_comes_and_for_what_is_unpacked(echo: TestClient, size: int) -> None:
    expected = 200 if size == MOST_BYTES else 413
    content = b" " * size
    assert echo.post("/", content=content, headers=JSON).status_code == expected
    assert echo.post("/", content=iter([content[:-1], content[-1:]]), headers=JSON).status_code == expected
    packed = gzip.compress(content)
    assert echo.post("/", content=packed, headers=JSON | {"content-encoding": "gzip"}).status_code == expected


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(b"0" * 100_000_000)
    with pytest.raises(Refusal) as refused:
        gunzip(bomb)
    assert refused.value.status_code == 413
    with pytest.raises(Refusal) as refused:
        gunzip(gzip.compress(b"0" * (MOST_BYTES // 2)) * 3)
    assert refused.value.status_code == 413


@pytest.mark.parametrize("content", [b"none", gzip.compress(b"{}")[:-3], gzip.compress(b"{}") + b"rest"])
def test_broken_gzip_is_refused(content: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        gunzip(content)
    assert refused.value.status_code == 400
