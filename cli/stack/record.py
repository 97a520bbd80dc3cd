"""`stack.json`: what runs, written by the supervisor, read by all other verbs."""

import os
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import msgspec
import psutil

RESTARTS_KEPT = 50


class Job(msgspec.Struct):
    """The Flink job; `state` is Flink's, or STARTING before there is one."""

    id: str = ""
    state: str = "STARTING"


class ProcessRecord(msgspec.Struct):
    """Process of the stack: `created` is its start in seconds since the epoch and with the pid names it for good."""

    pid: int
    created: float
    restarts: int = 0


class Restart(msgspec.Struct):
    """Something that was started again: `at` in seconds since the epoch, `cause` for a person."""

    name: str
    at: float
    cause: str


class StackRecord(msgspec.Struct):
    """The stack: addresses as in the contract, the supervisor, its processes and the newest restarts."""

    kafka: str
    redis: str
    flink: str
    supervisor: ProcessRecord
    state: str = "starting"
    job: Job = msgspec.field(default_factory=Job)
    processes: dict[str, ProcessRecord] = {}
    restarts: list[Restart] = []
    metrics: str = ""
    serving: str = ""


def process_record(pid: int) -> ProcessRecord:
    """Return the record of a living process."""
    return ProcessRecord(pid, psutil.Process(pid).create_time())


def is_alive(process: ProcessRecord) -> bool:
    """Return whether that very process lives; another one with its number does not count, nor does a zombie."""
    return find_process(process) is not None


def find_process(process: ProcessRecord) -> psutil.Process | None:
    """Return the living process of a record."""
    try:
        found = psutil.Process(process.pid)
        same = abs(found.create_time() - process.created) < 1.0 and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None
    return found if same else None


def read_record(path: Path) -> StackRecord | None:
    """Return the record, None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackRecord)
    except (OSError, msgspec.DecodeError):
        return None


def write_record(path: Path, record: StackRecord) -> None:
    """Replace the record as a whole, so that no reader sees half of it."""
    partial = path.with_suffix(".part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(msgspec.json.format(msgspec.json.encode(record), indent=2))
    partial.replace(path)


def with_password(url: str, password: str) -> str:
    """Return a URL that opens the door; for private files and their owner only."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f":{quote(password, safe='')}@{parts.netloc}"))


def without_password(url: str) -> str:
    """Return a URL that may be shown and stored: without user and password, whatever characters they have, and without options but
    the database."""
    scheme, separator, rest = url.partition("://")
    if not rest.startswith("/"):  # else a path, which has neither
        if "@" in rest.partition("?")[2]:
            return f"{scheme}{separator}…"  # the end of a password, or of an option: nobody can tell
        rest = rest.rpartition("@")[2]
    address, _, options = rest.partition("?")
    kept = [option for option in options.split("&") if option.startswith("db=")]
    return f"{scheme}{separator}{'?'.join((address, *kept))}"
