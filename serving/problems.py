"""Every error as `application/problem+json` (RFC 9457), made in one place."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """Error as a client reads it; `type` names the kind, `reason` is one of a closed set if a dead letter has one."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    reason: str | None = None
    field: str | None = None


class Refusal(HTTPException):
    """Answer other than what was asked for. Raise it anywhere in a request; the client gets the problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers=dict(headers or {}))
        self.reason, self.field = reason, field


class ProblemResponse(Response):
    """Response of a problem; never cached."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        problem = Problem(title_of(status), status, detail, reason=reason, field=field)
        encoded = _encode(problem)
        super().__init__(encoded, status, {"cache-control": "no-store", **(headers or {})})


def title_of(status: int) -> str:
    """Return the title of a status code."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _encode(problem: Problem) -> bytes:
    tree = msgspec.to_builtins(problem)
    return msgspec.json.encode({"type": problem.type, **tree})


async def answer_refusal(request: Request, error: Exception) -> Response:
    """Return the response to a refusal, or to what Starlette itself refuses (404, 405 and others)."""
    assert isinstance(error, HTTPException)
    detail = error.detail
    if not isinstance(error, Refusal):
        detail = _GENERIC.get(error.status_code, detail)
    reason, field = getattr(error, "reason", None), getattr(error, "field", None)
    return ProblemResponse(error.status_code, detail, reason=reason, field=field, headers=error.headers)


_GENERIC = {
    404: "there is nothing under this path; /docs lists what there is",
    405: "this path does not take this method; the header Allow names those that it takes",
}

HANDLERS: dict[Any, Any] = {HTTPException: answer_refusal}
