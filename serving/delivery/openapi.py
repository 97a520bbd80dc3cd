"""This room's part of the OpenAPI document."""

from typing import Any, Literal

import msgspec

from serving.openapi import json_content, problem
from serving.reader import Served
from serving.room import Part


class ListedItem(msgspec.Struct):
    """An item in the order to show it; with `metadata=1` also what a shop shows of a product, as far as it is known."""

    product_id: str
    score: float
    propensity: float
    explored: bool
    pinned: bool
    reasons: list[dict[str, Any]]
    title: str | msgspec.UnsetType = msgspec.UNSET
    price: float | msgspec.UnsetType = msgspec.UNSET
    image: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET


class ServedProfile(msgspec.Struct):
    """A session's profile, or a list in its form: then it is cold, its version is 0, and it is of no decision."""

    schema: int
    generation: int
    version: int
    updated_at: int
    session_id: str
    event_time: int
    refresh_after_ms: int
    status: Literal["cold", "warming", "active"]
    policy: str
    variant: str
    model_version: int
    decision_id: str
    score_data: list[ListedItem]
    category_data: list[dict[str, Any]]
    bundled_discount_suggestions: list[dict[str, Any]]
    trending_recommendations: list[dict[str, Any]]
    affinities: dict[str, dict[str, float]]
    windows: dict[str, dict[str, int]]
    counts: dict[str, int]
    last_event: dict[str, Any] | None
    served: Served


def _number(name: str, description: str, least: int = 0) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": least, "maximum": 9_999_999_999_999_999}
    return {"name": name, "in": "query", "description": description, "schema": schema}


PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "session_id",
        "in": "path",
        "required": True,
        "description": "The session, as in its events.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
    },
    {
        "name": "region",
        "in": "query",
        "description": "Whose list is shown if there is no profile.",
        "schema": {"type": "string", "maxLength": 128},
    },
    _number("limit", "Most items. Their scores stay as they are in the whole list.", 1),
    _number("min_version", "Wait for a profile of at least this version."),
    _number("since_ms", "Wait for a profile that knows an event of this timestamp."),
    _number("wait_ms", "How long to wait for that; serving.reader.wait_max at most."),
    _number("budget_ms", "How long the answer may take besides: what is not there by then comes from the next source."),
    {
        "name": "metadata",
        "in": "query",
        "description": "1 adds title, price, image and url to the items.",
        "schema": {"type": "string", "enum": ["0", "1"]},
    },
    {
        "name": "token",
        "in": "query",
        "description": "The session's token, if tokens are asked for; or as Authorization: Bearer TOKEN.",
        "schema": {"type": "string"},
    },
    {
        "name": "If-None-Match",
        "in": "header",
        "description": "The ETag of what the client has.",
        "schema": {"type": "string"},
    },
]
_HEADERS = {
    "ETag": {"description": "Of the content without `served`.", "schema": {"type": "string"}},
    "Cache-Control": {"description": "private, no-cache: to be asked for anew.", "schema": {"type": "string"}},
}
PART = Part(
    {
        "/v1/profile/{session_id}": {
            "get": {
                "summary": "What to show a session now",
                "description": "Its profile, or within the budget the best there is instead; `served` says which.",
                "parameters": PARAMETERS,
                "responses": {
                    "200": {
                        "description": "A profile, or a list in its form.",
                        "headers": _HEADERS,
                        "content": json_content(ServedProfile),
                    },
                    "304": {"description": "The client has it already.", "headers": _HEADERS},
                    "400": problem("A parameter that cannot be read; `field` names it."),
                    "401": problem("No token of this session."),
                },
            }
        }
    },
    (ServedProfile,),
)
