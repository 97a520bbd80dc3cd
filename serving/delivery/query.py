"""What a request for a profile asks for, from its path and query."""

import re
from typing import Any, NamedTuple

from starlette.types import Scope

from serving.access import query_of
from serving.problems import Refusal
from serving.reader import ProfileRequest
from state.configuration import Reader

WHOLE = re.compile(r"\d{1,16}", re.ASCII)
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
LONGEST_REGION = 128
MOST_KEPT, LONGEST_KEPT = 1_024, 256
"""Parsed queries that are kept, and the longest of them."""
YES, NO = ("1", "true"), ("", "0", "false")


class Query(NamedTuple):
    """A read, and whether its items get title, price, image and url."""

    request: ProfileRequest
    metadata: bool


class Queries:
    """A reader of queries, which knows those that it has parsed lately: most are the same few."""

    def __init__(self, settings: Reader) -> None:
        self._settings = settings
        self._parsed: dict[bytes, tuple[Any, ...]] = {}

    def read(self, scope: Scope, session_id: str) -> Query:
        """Read the query's values. What is longer than the configuration allows is shortened to that.

        Raises:
            Refusal: 400, one that is no number, or a region that no event can have.
        """
        text = scope["query_string"]
        if not text:
            return Query(ProfileRequest(session_id), False)
        known = self._parsed.get(text)
        if known is None:
            given = query_of(scope)
            known = _parse(given, self._settings)
            if "token" not in given and len(text) <= LONGEST_KEPT:
                self._keep(text, known)
        *fields, metadata = known
        return Query(ProfileRequest(session_id, *fields), metadata)

    def _keep(self, text: bytes, known: tuple[Any, ...]) -> None:
        if len(self._parsed) >= MOST_KEPT:
            self._parsed.clear()
        self._parsed[text] = known


def _parse(given: dict[str, str], settings: Reader) -> tuple[Any, ...]:
    """Return a request's fields after the session, in their order, and whether metadata is asked for."""
    return (
        _region(given.get("region", "")),
        _number(given, "limit", 1),
        _number(given, "min_version", 0),
        _number(given, "since_ms", 0),
        _shortened(_number(given, "wait_ms", 0), settings.wait_max_ms),
        _shortened(_number(given, "budget_ms", 0), settings.wait_max_ms),
        _flag(given.get("metadata", "")),
    )


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
