"""What a request for a profile asks for, from its path and query."""

import re
from typing import NamedTuple

from starlette.types import Scope

from serving.access import query_of
from serving.problems import Refusal
from serving.reader import ProfileRequest
from state.configuration import Reader

WHOLE = re.compile(r"\d{1,16}", re.ASCII)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LONGEST_REGION = 128
YES, NO = ("1", "true"), ("", "0", "false")


class Query(NamedTuple):
    """A read, and whether its items get title, price, image and url."""

    request: ProfileRequest
    metadata: bool


def read_query(scope: Scope, session_id: str, settings: Reader) -> Query:
    """The query's values. What is longer than the configuration allows is shortened to that.

    Raises:
        Refusal: 400, one that is no number, or a region that no event can have.
    """
    if not scope["query_string"]:
        return Query(ProfileRequest(session_id), False)
    given = query_of(scope)
    limit = _number(given, "limit", 1)
    request = ProfileRequest(
        session_id,
        region=_region(given.get("region", "")),
        limit=limit,
        min_version=_number(given, "min_version", 0),
        since_ms=_number(given, "since_ms", 0),
        wait_ms=_shortened(_number(given, "wait_ms", 0), settings.wait_max_ms),
        budget_ms=_shortened(_number(given, "budget_ms", 0), settings.wait_max_ms),
    )
    return Query(request, _flag(given.get("metadata", "")))


def _number(given: dict[str, str], name: str, least: int) -> int | None:
    text = given.get(name, "")
    if not text:
        return None
    if not WHOLE.fullmatch(text) or int(text) < least:
        raise Refusal(400, f"{name} is a whole number of at least {least}", reason="invalid_value", field=name)
    return int(text)


def _shortened(value: int | None, most: int) -> int | None:
    return value if value is None else min(value, most)


def _region(text: str) -> str:
    if len(text) > LONGEST_REGION or CONTROLS.search(text):
        raise Refusal(
            400,
            f"a region has at most {LONGEST_REGION} characters, none of them a control character",
            reason="invalid_value",
            field="region",
        )
    return text


def _flag(text: str) -> bool:
    if text not in YES and text not in NO:
        raise Refusal(400, "metadata is 1 or 0", reason="invalid_value", field="metadata")
    return text in YES
