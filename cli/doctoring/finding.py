"""What the doctor finds."""

from typing import Literal, NamedTuple


class Finding(NamedTuple):
    """`about` is what was looked at, `found` what it is like, `mend` what to do; empty if nothing."""

    level: Literal["ok", "warning", "error"]
    about: str
    found: str
    mend: str = ""


def ok(about: str, found: str) -> Finding:
    """Return a finding of nothing to do."""
    return Finding("ok", about, found)


def warning(about: str, found: str, mend: str) -> Finding:
    """Return a finding of what works, but not for ever or not under load."""
    return Finding("warning", about, found, mend)


def error(about: str, found: str, mend: str) -> Finding:
    """Return a finding of what does not work, or loses something."""
    return Finding("error", about, found, mend)
