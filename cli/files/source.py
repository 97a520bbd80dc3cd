"""How a file is to be read, and the words for it in messages."""

import io
from typing import Literal

import msgspec

SEPARATOR_NAMES = {"\\t": "\t", "tab": "\t"}


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Way in which the file is read; what is left out is taken from its bytes and its name.

    A `delimiter` of more than one character separates without quotes. `quote` is the quoting character, empty for none.
    """

    kind: Literal["csv", "jsonl", "parquet"] | None = None
    header: bool = True
    columns: list[str] = []
    delimiter: str | None = None
    quote: str = '"'
    encoding: str | None = None

    def fault(self) -> str | None:
        """Return what cannot be used, as a sentence; None if all can."""
        if self.delimiter is not None and (not self.delimiter or set(self.delimiter) & set("\r\n\0")):
            return "delimiter: must be one character or more, for example ';', '\\t' or '::'"
        if len(self.quote) > 1 or self.quote in ("\r", "\n"):
            return "quote: must be one character, or empty for none"
        if self.quote and self.quote == self.delimiter:
            return "quote: must not be the delimiter"
        if not self.header and not self.columns:
            return "columns: a file without a header needs their names"
        if len(set(self.columns)) != len(self.columns):
            return "columns: a name stands twice"
        return encoding_fault(self.encoding)


def encoding_fault(encoding: str | None) -> str | None:
    """Return why an encoding cannot be used; None if it can."""
    try:
        if encoding is not None:
            io.TextIOWrapper(io.BytesIO(), encoding=encoding).read()
    except (LookupError, ValueError, TypeError):
        return f"encoding: {encoding!r} is unknown; utf-8, latin-1, cp1252 and utf-16 are some"
    return None


def separator_of(text: str | None) -> str | None:
    """Return the separator that a person wrote: `\t` and `tab` are the tabulator."""
    return text if text is None else SEPARATOR_NAMES.get(text, text)


def separator_name(separator: str) -> str:
    """Return a separator for a person, as it may be written in a mapping."""
    return '"\\t" (tab)' if separator == "\t" else f'"{separator}"'
