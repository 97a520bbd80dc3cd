"""Errors that no verb foresaw: one line for the person, the traceback in a file for the report."""

import contextlib
import os
import platform
import sys
import tempfile
import traceback
from importlib import metadata

TRACEBACK_VARIABLE = "HELIOTROPE_TRACEBACK"
"""Set to anything, it brings the traceback of an unexpected error to the screen as well."""
UNEXPECTED_STATUS = 70  # EX_SOFTWARE of sysexits.h
PIPE_STATUS = 141  # 128 + SIGPIPE, as a shell shows it


def make_streams_safe() -> None:
    """Let stdout and stderr print every text: what has no encoding, such as a lone surrogate, is printed as an escape."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def flush_output() -> None:
    """Write what is buffered while an error can still be told.

    Raises:
        OSError: the output takes no more.
    """
    sys.stdout.flush()


def discard_output() -> None:
    """Send the rest of stdout nowhere, so that the interpreter's last flush cannot fail once more."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def is_no_text(argument: str) -> bool:
    """Return whether a word of the command line was not UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in argument)


def explain_encoding(arguments: list[str]) -> str | None:
    """Return the message for a word that is not UTF-8 and cannot be an id; None if all are."""
    for argument in arguments:
        if is_no_text(argument):
            shown = argument.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            return f"{shown} is not UTF-8, which ids and values are: write it in UTF-8"
    return None


def explain_os_error(error: OSError) -> str:
    """Return what the operating system refused, and for which file."""
    what = error.strerror or str(error)
    if error.filename is None:
        return f"cannot write or read ({what}): look at the disk, the output and the rights"
    return f"{_name(error.filename)}: {what}: check the path, its rights and the disk"


def report_unexpected(error: BaseException) -> str:
    """Return the line for an error that nobody foresaw; its traceback goes to a file of the owner's only."""
    trace = "".join(traceback.format_exception(error))
    if os.environ.get(TRACEBACK_VARIABLE):
        sys.stderr.write(trace)
    first = str(error).partition("\n")[0][:200]
    what = f"{type(error).__name__}: {first}" if first else type(error).__name__
    path = _write_report(trace)
    where = f"report it with {path}" if path else f"set {TRACEBACK_VARIABLE}=1 to see its traceback, and report it"
    return f"unexpected error, a fault of Heliotrope ({what}): {where}"


def _write_report(trace: str) -> str | None:
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    heading = f"heliotrope {_version()} {verb}, Python {platform.python_version()}, {platform.platform()}\n\n"
    try:
        descriptor, path = tempfile.mkstemp(prefix="heliotrope-error-", suffix=".txt")  # readable by the owner only
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(heading + trace)
    except OSError:
        return None
    return path


def _version() -> str:
    try:
        return metadata.version("heliotrope")
    except metadata.PackageNotFoundError:
        return "not installed"


def _name(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, str | bytes) else str(filename)
