"""The mapping of a file's rows to events, as YAML; `conf/formats/README.md` explains every key with examples."""

import difflib
import importlib.resources
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from cli.errors import UserError

UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What all parts share: immutable, no unknown keys."""


class Source(_Part, frozen=True):
    """How the file is read; what is left out is taken from its name and its first bytes."""

    kind: Literal["csv", "jsonl", "parquet"] | None = None
    header: bool = True
    columns: list[str] = []
    delimiter: str = ","
    encoding: str = "utf-8"


class Time(_Part, frozen=True):
    """Where the event's time is: a number in `unit`, or text in `format` (strptime, or `iso`) in `timezone`."""

    column: str
    unit: Literal["s", "ms", "us", "ns"] | None = None
    format: str | None = None
    timezone: str = "UTC"


class Field(_Part, frozen=True):
    """One field of the event: the first column that holds something, or a constant; then `map`, `type` and `prefix`.

    A value that `map` does not name stays as it is, unless `unmapped: omit`.
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
    """The names that `--format` takes beside a path."""
    folder = importlib.resources.files("conf").joinpath("formats")
    return sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def load_format(name: str) -> Format:
    """A shipped format by name, or a mapping file by its path.

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
    """A mapping from YAML.

    Raises:
        UserError: it is not a valid mapping.
    """
    try:
        mapping = msgspec.convert(yaml.safe_load(text), Format)
    except yaml.YAMLError as error:
        raise UserError(f"mapping {name} is not YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise UserError(f"mapping {name}: {error}: see conf/formats/README.md") from None
    if (mapping.time.unit is None) == (mapping.time.format is None):
        raise UserError(f"mapping {name}: time needs either unit (s, ms, us, ns) or format (iso, or as for strptime)")
    for field, source in mapping.event.items():
        if (source.column is None) == (source.constant is None):
            raise UserError(f"mapping {name}: event.{field} needs either column or constant")
    return mapping
