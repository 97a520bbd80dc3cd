"""`heliotrope produce`: JSON lines to `user_interactions`, every line as it is; a whole JSON array is its elements."""

import io
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, cast

import msgspec
import typer

from cli.delivery import Delivery
from cli.errors import UserError
from cli.files.opening import open_raw, size_of
from cli.files.produced import events_of
from cli.files.rows import BROKEN_FILE
from cli.options import Config, Sets, Workdir, find_target
from cli.output import duration_text, number, progress_bar, stderr_console, stdout_console, summary_table
from cli.pacing import RatePacer

PROGRESS_EVERY = 500
PROGRESS_INTERVAL_S = 0.2


class _Keyed(msgspec.Struct):
    session_id: str


_decoder = msgspec.json.Decoder(_Keyed)


def key_of_line(line: bytes) -> bytes | None:
    """Return the session id of an event as the record's key; None where it cannot be read, so that bad lines are spread."""
    try:
        return _decoder.decode(line).session_id.encode() or None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


class Sent(msgspec.Struct):
    """Result of `send_lines`: lines and bytes sent, lines without a readable session, lines too large for the topic."""

    lines: int = 0
    bytes: int = 0
    without_key: int = 0
    too_large: int = 0


def send_lines(
    lines: Iterable[bytes | None], topic: str, delivery: Delivery, pacer: RatePacer, sent: Sent
) -> Iterator[Sent]:
    """Send every line at its turn and yield `sent`, which it keeps up to date, after each."""
    for line in lines:
        if line is None:
            sent.too_large += 1
            continue
        pacer.step()
        key = key_of_line(line)
        delivery.send(topic, line, key)
        sent.lines += 1
        sent.bytes += len(line)
        sent.without_key += key is None
        yield sent


@contextmanager
def _open_input(file: str) -> Iterator[io.BufferedReader]:
    if file == "-":
        yield cast(io.BufferedReader, sys.stdin.buffer)
        return
    with open_raw(Path(file)) as raw:
        yield raw


def _explained(values: Iterator[bytes | None], name: str) -> Iterator[bytes | None]:
    try:
        yield from values
    except BROKEN_FILE as error:
        raise UserError(f"{name} is damaged ({error}): what came before was sent; fetch or pack it again") from None
    except ValueError as error:
        raise UserError(f"{name}: {error}: what came before was sent; complete the file") from None


def produce(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="JSON lines, or one JSON array, packed too; - is standard input.")
    ],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events/s, open loop; default: all at once.")] = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Send JSON lines to user_interactions, keyed by session; nothing is refused, bad lines become dead letters."""
    target = find_target(config, sets, workdir)
    sent, started = Sent(), time.monotonic()
    name = "standard input" if file == "-" else file
    with _open_input(file) as stream, Delivery(target, linger_ms=20 if rate is None else 2) as delivery:
        topic = target.settings.kafka.topics.user_interactions
        values, read_as = _read_values(stream, name)
        try:
            steps = send_lines(_explained(values, name), topic, delivery, RatePacer(rate), sent)
            _show_progress(steps, stream)
        finally:
            delivery.flush()
            _print_summary(sent, read_as, time.monotonic() - started)
    if sent.too_large:
        raise UserError(f"{sent.too_large} lines of over 2 MiB were not sent, as the topic takes none: shorten them")


def _read_values(stream: io.BufferedReader, name: str) -> tuple[Iterator[bytes | None], str]:
    try:
        return events_of(stream, name)
    except BROKEN_FILE as error:
        raise UserError(f"nothing of {name} was sent: it is damaged ({error}): fetch or pack it again") from None


def _show_progress(steps: Iterator[Sent], stream: io.BufferedReader) -> None:
    """A bar over the bytes of the input that were read; without an end where it has no size."""
    last, total = time.monotonic(), size_of(stream)
    with progress_bar(stderr_console()) as bar:
        task = bar.add_task("sending", total=total, count="")
        for state in steps:
            if state.lines % PROGRESS_EVERY == 0 or time.monotonic() - last > PROGRESS_INTERVAL_S:
                last = time.monotonic()
                done = stream.tell() if total else state.bytes + state.lines
                bar.update(task, completed=done, count=f"{number(state.lines)} events")


def _print_summary(sent: Sent, read_as: str, seconds: float) -> None:
    rows: list[tuple[str, str | float]] = [
        ("read as", read_as),
        ("events sent", sent.lines),
        ("without a readable session", sent.without_key),
        ("took", duration_text(seconds * 1_000)),
        ("events/s", round(sent.lines / max(seconds, 1e-9))),
    ]
    stdout_console().print(summary_table("produce", rows))
