"""Text that came from outside, made fit for a person's screen."""

import re
from typing import Any

UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Characters that do something to a screen instead of being seen: controls, among them escape; separators of lines; what turns the
direction of writing; tags; and halves of surrogate pairs, which no encoding has."""


def visible(text: str) -> str:
    """Return the text with what cannot be seen as Python would write it, for example `\x1b`.

    Whatever a person reads that came from outside goes through here: product ids, sessions and titles may hold what a terminal
    obeys.
    """
    return UNSEEN.sub(_escape, text)


def printable(text: str) -> str:
    """Escape as `visible` does, with everything else that Unicode does not call printable as an escape too: for lines that quote
    any bytes."""
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def one_line(message: str) -> str:
    """Return the message on one line and `printable`: parts of it come from files."""
    return printable(" ".join(message.split()))


def excerpt(payload: bytes, limit: int) -> str:
    """Return bytes as `printable` text, those that are no text as escapes, cut to `limit` characters."""
    text = printable(payload[: 4 * limit].decode("utf-8", errors="backslashreplace"))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def visible_tree(tree: Any) -> Any:
    """Return plain values, as JSON has them, with all their texts and keys `visible`."""
    if isinstance(tree, str):
        return visible(tree)
    if isinstance(tree, dict):
        return {visible_tree(key): visible_tree(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [visible_tree(value) for value in tree]
    return tree


def _escaped(text: str) -> str:
    """The text as Python would write it in ASCII."""
    return text.encode("unicode_escape").decode()


def _escape(match: re.Match[str]) -> str:
    return _escaped(match[0])
