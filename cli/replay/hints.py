"""Guesses that go into error messages: which column, separator, unit or form of time was meant."""

import csv
import difflib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from cli.files.rows import Rows
from cli.files.source import separator_name
from cli.replay.acceptance import as_utc
from cli.replay.formats import UNITS_PER_SECOND, Time
from cli.replay.mapping import time_reader

SEPARATORS = ("::", "\t", ";", "|", ",")
SHOWN_COLUMNS = 30
SHOWN_CHARACTERS = 60
EARLIEST_MS = 788_918_400_000  # 1995: no shop had a click stream before
LATEST_MS = 4_102_444_800_000  # 2100
SHORT = 2  # a word of so few letters is part of too many others
ENOUGH = 0.5  # of the sampled values fit the guess
TEXT_FORMS = (
    "iso",
    "%Y-%m-%d %H:%M:%S UTC",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y/%m/%d %H:%M:%S",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M",
    "%m/%d/%Y %I:%M:%S %p",
    "%a, %d %b %Y %H:%M:%S %z",
    "%d/%b/%Y:%H:%M:%S %z",
)
WORDS = {
    "time": ("timestamp", "time", "date", "ts", "at"),
    "event.session_id": ("session", "visitor", "sid", "user", "customer", "client"),
    "event.event_type": ("event_type", "event", "type", "action", "behavio"),
    "product_id": ("product_id", "product", "item", "sku", "asin", "article"),
    "category_id": ("category_id", "category", "department", "group"),
}


def choose_column(where: str, wanted: str, columns: Sequence[str]) -> str | None:
    """Return the column that was probably meant: by its spelling, else by what such columns are called."""
    lowered = {column.lower(): column for column in reversed(columns)}
    if close := difflib.get_close_matches(wanted.lower(), lowered, n=1, cutoff=0.6):
        return lowered[close[0]]
    for word in WORDS.get(where, ()):
        for name, column in reversed(lowered.items()):
            if word in name if len(word) > SHORT else name == word or name.endswith(f"_{word}"):
                return column
    return None


def shown_columns(columns: Iterable[str]) -> str:
    """Return columns for a person, at most `SHOWN_COLUMNS`."""
    names = list(columns)
    shown = ", ".join(name[:SHOWN_CHARACTERS] or "''" for name in names[:SHOWN_COLUMNS])
    return shown + (f" and {len(names) - SHOWN_COLUMNS} more" if len(names) > SHOWN_COLUMNS else "")


def separator_hint(rows: Rows) -> str:
    """Return what to set where a CSV file was split in the wrong places; empty where nothing suggests it."""
    if rows.looks_like_json:
        return "the file looks like JSON: set kind: jsonl under source of the mapping"
    line, used = rows.first_line, rows.separator
    guess = next((sign for sign in SEPARATORS if sign != used and line.count(sign) > line.count(used)), None)
    if guess is not None:
        sign = '"\\t"' if guess == "\t" else f'"{guess}"'
        return (
            f"the first line looks separated by {separator_name(guess)}: "
            f"set delimiter: {sign} under source of the mapping, or --delimiter {sign}"
        )
    values = next(csv.reader([line], delimiter=used), []) if len(used) == 1 else line.split(used)
    if rows.columns == [value.strip() for value in values] and any(_is_number(value) for value in values):
        return "the first line looks like data: set header: false and columns: […] under source of the mapping"
    return ""


def unit_hint(time: Time, times_ms: Sequence[int]) -> str:
    """Return what to set where times were read in a wrong unit, so that they lie at 1970 or far ahead; else empty."""
    if time.unit is None or not times_ms:
        return ""
    middle_ms = sorted(times_ms)[len(times_ms) // 2]
    if EARLIEST_MS <= middle_ms <= LATEST_MS:
        return ""
    per_second = UNITS_PER_SECOND[time.unit]
    for unit, other in UNITS_PER_SECOND.items():
        if unit != time.unit and EARLIEST_MS <= (meant_ms := middle_ms * per_second // other) <= LATEST_MS:
            return (
                f"column {time.column} read in {time.unit} gives {as_utc(middle_ms)}, "
                f"in {unit} {as_utc(meant_ms)}: set unit: {unit} under time of the mapping"
            )
    return ""


def time_hint(time: Time, values: Sequence[Any]) -> str:
    """Return what to set where times could not be read: the unit or the form that most values have; empty without one."""
    values = [value for value in values if value not in (None, "")][:100]
    if not values:
        return f"column {time.column} is empty"
    candidates = [Time(column=time.column, unit=unit) for unit in ("s", "ms", "us", "ns")]
    candidates += [Time(column=time.column, format=form, timezone=time.timezone) for form in TEXT_FORMS]
    for candidate in candidates:
        read = time_reader(candidate)
        plausible = sum(EARLIEST_MS <= (read(value) or 0) <= LATEST_MS for value in values)
        if plausible > ENOUGH * len(values):
            form = f"unit: {candidate.unit}" if candidate.unit else f'format: "{candidate.format}"'
            return f"column {time.column} holds {str(values[0])[:40]!r}: set {form} under time of the mapping"
    return ""


def parse_time(text: str) -> datetime | None:
    """Return a time in one of the forms that nobody reads in two ways; None for any other."""
    for form in TEXT_FORMS[:4]:
        try:
            return datetime.fromisoformat(text) if form == "iso" else datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
