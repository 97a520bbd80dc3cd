"""Reads what `java.util.Properties.load` reads, as Kafka's own clients take their configuration."""

import re

BLANKS = " \t\f"
ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
LINE_END = re.compile(r"\r\n|\r|\n")
UNICODE = re.compile(r"[0-9a-fA-F]{4}")


class PropertiesError(ValueError):
    """A line that cannot be read: `line` counts from 1. The text is not repeated, as it may be a secret. Mend the line."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line


def read_properties(text: str) -> dict[str, str]:
    r"""Return keys and values: `=`, `:` or blanks between them, comments after `#` or `!`, lines that end in `\` go on, `\uXXXX`.

    Raises:
        PropertiesError: a broken escape, or a line that names no key.
    """
    found: dict[str, str] = {}
    for number, line in _logical_lines(text):
        key, separator, value = _split(line)
        try:
            name = _unescape(key)
            if not name or (separator in BLANKS and "." not in name):
                raise ValueError("must be KEY=VALUE")
            found[name] = _unescape(value)
        except ValueError as error:
            raise PropertiesError(number, str(error)) from None
    return found


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """Lines with what they go on with, and the number of the first; without blank ones and comments."""
    found: list[tuple[int, str]] = []
    first, so_far = 0, ""
    for number, natural in enumerate(LINE_END.split(text), start=1):
        line = natural.lstrip(BLANKS)
        if not first and (not line or line[0] in "#!"):
            continue
        first = first or number
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            so_far += line[:-1]
            continue
        found.append((first, so_far + line))
        first, so_far = 0, ""
    if first and so_far:
        found.append((first, so_far))
    return found


def _split(line: str) -> tuple[str, str, str]:
    """Key, separator (a blank, `=`, `:`, or nothing) and value, all still escaped."""
    end = 0
    while end < len(line) and line[end] not in f"=:{BLANKS}":
        end += 2 if line[end] == "\\" else 1
    key, rest = line[:end], line[end:]
    separator, stripped = rest[:1], rest.lstrip(BLANKS)
    if stripped[:1] and stripped[0] in "=:":
        return key, stripped[0], stripped[1:].lstrip(BLANKS)
    return key, separator, stripped


def _unescape(text: str) -> str:
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "\\":
            parts.append(text[at])
            at += 1
        elif text[at + 1 : at + 2] == "u":
            code = text[at + 2 : at + 6]
            if not UNICODE.fullmatch(code):
                raise ValueError(r"\u needs four hexadecimal digits")
            parts.append(chr(int(code, 16)))
            at += 6
        else:
            parts.append(ESCAPES.get(text[at + 1 : at + 2], text[at + 1 : at + 2]))
            at += 2
    # Java's strings are UTF-16: two escapes may make one character.
    return "".join(parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
