"""One call of another tracker to one event, by a mapping in YAML; the files in `conf/trackers/` explain every key."""

import hashlib
import importlib.resources
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from jobs.errors import ConfigurationError

MOST_ID_CHARACTERS = 64
MOST_SKEW_MS = 24 * 3_600_000
"""A sender whose clock is off by more than a day is not corrected: its events are of another day on purpose."""
FIRST_MS = 100_000_000_000
"""A smaller number is a time in seconds: as milliseconds it would lie before 1973."""
PAGE = "page"


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Field of an event: the first column that holds something. `each` maps the entries of a list."""

    column: str | list[str]
    type: Literal["string", "identifier", "number", "time"] | None = None
    each: dict[str, "Field"] = {}

    def value(self, call: Any) -> Any:
        """Return the field's value in a call; None if there is none."""
        columns = [self.column] if isinstance(self.column, str) else self.column
        found = next((value for column in columns if (value := look_up(call, column)) not in (None, "")), None)
        if self.each and isinstance(found, list):
            return [fields_of(self.each, entry) for entry in found]
        return found if found is None else _as_type(found, self.type)


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole mapping."""

    name: list[str]
    names: dict[str, str]
    event: dict[str, Field]
    entries: str = ""
    key: list[str] = []
    sent_at: str = ""
    description: str = ""

    def calls(self, body: Any) -> list[Any]:
        """Return the calls of a body: a list, the list that it holds, or the one that it is."""
        held = look_up(body, self.entries) if self.entries else None
        if isinstance(held, list):
            return held
        return body if isinstance(body, list) else [body]

    def write_key(self, body: Any) -> str:
        """Return the write key that a body, or its first call, shows; empty if none."""
        first = next(iter(self.calls(body)), None)
        found = (look_up(place, path) for path in self.key for place in (body, first))
        return next((value for value in found if isinstance(value, str)), "")

    def skew_ms(self, body: Any, now_ms: int) -> int:
        """Return by how much the sender's clock is behind ours."""
        sent_ms = time_ms(look_up(body, self.sent_at)) if self.sent_at else None
        skew = now_ms - sent_ms if sent_ms is not None else 0
        return skew if abs(skew) <= MOST_SKEW_MS else 0

    def event_of(self, call: Any, skew_ms: int) -> dict[str, Any] | None:
        """Return a call's event; None if it is of no kind that has one."""
        names = (look_up(call, path) for path in self.name)
        kind = next((self.names[name] for name in names if isinstance(name, str) and name in self.names), None)
        if kind is None:
            return None
        event = fields_of(self.event, call)
        if kind == PAGE:
            kind = "product_view" if event.get("product_id") else "category_view" if event.get("category_id") else None
            if kind is None:
                return None
        if isinstance(event.get("timestamp"), int):
            event["timestamp"] += skew_ms
        if len(event.get("event_id", "")) > MOST_ID_CHARACTERS:
            event["event_id"] = hashlib.blake2b(event["event_id"].encode(), digest_size=16).hexdigest()
        return {**event, "event_type": kind}


def load_mapping(name: str) -> Mapping:
    """Return a shipped mapping by its name, or one of a file by its path.

    Raises:
        ConfigurationError: there is none, or it is no mapping.
    """
    shipped = importlib.resources.files("conf").joinpath("trackers", f"{name}.yaml")
    try:
        text = shipped.read_text("utf-8") if shipped.is_file() else Path(name).expanduser().read_text(encoding="utf-8")
        return msgspec.convert(yaml.safe_load(text), Mapping)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"serving.trackers: cannot read the mapping {name}: {error}") from None
    except (msgspec.ValidationError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"serving.trackers: {name} is no mapping: {' '.join(str(error).split())}") from None


def look_up(tree: Any, path: str) -> Any:
    """Return the value under a path such as `properties.product_id`; None if there is none."""
    for part in path.split("."):
        if not isinstance(tree, dict):
            return None
        tree = tree.get(part)
    return tree


def fields_of(fields: dict[str, Field], call: Any) -> dict[str, Any]:
    """Return the fields that a call has."""
    found = ((name, field.value(call)) for name, field in fields.items())
    return {name: value for name, value in found if value is not None}


def time_ms(value: Any) -> int | None:
    """Return a time in ms since the epoch, from ISO text or a number of s or ms; None if it is none."""
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdecimal():
            moment = datetime.fromisoformat(value)
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
        number = float(value) if not isinstance(value, bool) else float("nan")
        return round(number if number >= FIRST_MS else number * 1_000)
    except (ValueError, TypeError, OverflowError):
        return None


def _as_type(value: Any, kind: str | None) -> Any:
    """Convert if possible; what cannot be stays as it is, and is refused for its type."""
    if kind == "time":
        found = time_ms(value)
        return value if found is None else found
    if kind in ("string", "identifier") and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value).removesuffix(".0")
    if kind == "number" and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
