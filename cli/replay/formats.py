"""The mapping of a file's rows to events, as YAML; `conf/formats/README.md` explains every key with examples."""

import difflib
import importlib.resources
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from cli.errors import UserError
from cli.files.source import Source

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all parts share: immutable, no unknown keys."""


class Plus(_Part, frozen=True):
    """A number of a column that is added to the time, such as milliseconds since a session began."""

    column: str
    unit: Literal["s", "ms", "us", "ns"]


class Summed(_Part, frozen=True):
    """Dates for data without any: days between orders, summed per user from a day that is made up.

    Rows of a `per` must come in order; `once_per` is what the days are counted once for, as an order has several rows.
    """

    start: str
    per: str
    once_per: str
    hour: str | None = None
    first_day: str | None = None


class Time(_Part, frozen=True):
    """Source of the event's time: a number in `unit`, text in `format` (strptime, or `iso`) in `timezone`, or days `summed`."""

    column: str
    unit: Literal["s", "ms", "us", "ns"] | None = None
    format: str | None = None
    timezone: str = "UTC"
    plus: Plus | None = None
    summed: Summed | None = None

    @property
    def columns(self) -> list[str]:
        """All columns that the time needs."""
        named = [self.column, self.plus and self.plus.column]
        if self.summed:
            named += [self.summed.per, self.summed.once_per, self.summed.hour, self.summed.first_day]
        return [name for name in named if name]


class Field(_Part, frozen=True):
    """Field of the event: the first column that holds something, or a constant; then `map`, `type` and `prefix`.

    A value that `map` does not name stays as it is, unless `unmapped: omit`; one that it maps to null leaves the field out.
    """

    column: str | list[str] | None = None
    constant: Any = None
    map: dict[str, Any] = {}
    unmapped: Literal["keep", "omit"] = "keep"
    type: Literal["string", "identifier", "integer", "number"] | None = None
    prefix: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to look into, in order."""
        if self.column is None:
            return ()
        return (self.column,) if isinstance(self.column, str) else tuple(self.column)


class Skip(_Part, frozen=True):
    """Rows that are left out, and the reason that they are counted under. All conditions that are given must hold."""

    column: str
    reason: str
    equals: str | float | None = None
    starts_with: str | None = None
    below: float | None = None
    above: float | None = None
    empty: bool = False


class Format(_Part, frozen=True):
    """A whole mapping. `event` maps fields of an event (`a.b` for a field inside an object) to where they come from."""

    time: Time
    event: dict[str, Field]
    description: str = ""
    source: Source = Source()
    skip: list[Skip] = []


def shipped_formats() -> list[str]:
    """Return the names that `--format` takes besides a path."""
    folder = importlib.resources.files("conf").joinpath("formats")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_format(name: str) -> Format:
    """Return a shipped format by name, or a mapping file by its path.

    Raises:
        UserError: there is none, or it is not a valid mapping; the message names the key.
    """
    if name in shipped_formats():
        shipped = importlib.resources.files("conf").joinpath("formats", f"{name}.yaml")
        return parse_format(shipped.read_text("utf-8"), name)
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        close = difflib.get_close_matches(name, shipped_formats(), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        shipped_names = ", ".join(shipped_formats())
        raise UserError(f"no format {name}: {hint}shipped are {shipped_names}; or give a mapping's .yaml file")
    try:
        return parse_format(path.read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the mapping {name} ({error}): name a readable YAML file") from None


def parse_format(text: str, name: str) -> Format:
    """Return a mapping from YAML.

    Raises:
        UserError: it is not a valid mapping.
    """
    try:
        mapping = msgspec.convert(yaml.safe_load(text), Format)
    except msgspec.ValidationError as error:
        raise UserError(f"mapping {name}: {error}: see conf/formats/README.md") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"mapping {name} is not YAML: {' '.join(str(error).split())}") from None
    fault = _time_fault(mapping.time) or mapping.source.fault()
    if fault:
        raise UserError(f"mapping {name}: {fault}")
    for field, source in mapping.event.items():
        if (source.column is None) == (source.constant is None):
            raise UserError(f"mapping {name}: event.{field} needs either column or constant")
    return mapping


def _time_fault(time: Time) -> str | None:
    if [time.unit, time.format, time.summed].count(None) != 2:
        return "time needs either unit (s, ms, us, ns) or format (iso, or as for strptime)"
    if time.format and time.format != "iso":
        try:
            datetime.strptime("", time.format)
        except (ValueError, re.error) as error:
            if "does not match" not in str(error):
                return f"time.format: {error}"
    if time.summed:
        try:
            date.fromisoformat(time.summed.start)
        except ValueError:
            return f"time.summed.start: {time.summed.start} is no day: write it as '2017-01-01'"
    return None
