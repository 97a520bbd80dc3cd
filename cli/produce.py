"""`heliotrope produce`: JSON lines to `user_interactions`, every line as it is."""

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Annotated

import msgspec
import typer

from cli.errors import UserError
from cli.kafka_client import MAX_VALUE_BYTES
from cli.options import Config, Sets, Workdir, find_target
from cli.output import duration_text, number, progress_bar, stderr_console, stdout_console, summary_table
from cli.pacing import RatePacer
from cli.producing import Delivery

PROGRESS_EVERY = 500
PROGRESS_INTERVAL_S = 0.2


class _Keyed(msgspec.Struct):
    session_id: str


_decoder = msgspec.json.Decoder(_Keyed)


def key_of_line(line: bytes) -> bytes | None:
    """The session id of an event as the record's key; None where it cannot be read, so that bad lines are spread."""
    try:
        return _decoder.decode(line).session_id.encode() or None
    except (msgspec.DecodeError, UnicodeError):
        return None


def read_lines(stream: IO[bytes]) -> Iterator[bytes | None]:
    """Lines without their line feed, in bounded memory; None for a line that no topic takes."""
    while line := stream.readline(MAX_VALUE_BYTES + 1):
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) <= MAX_VALUE_BYTES:
            yield line
        else:
            while (rest := stream.readline(MAX_VALUE_BYTES)) and not rest.endswith(b"\n"):
                pass
            yield None


class Sent(msgspec.Struct):
    """What `send_lines` did: lines and bytes sent, lines without a readable session, lines too large for the topic."""

    lines: int = 0
    bytes: int = 0
    without_key: int = 0
    too_large: int = 0


def send_lines(
    lines: Iterable[bytes | None], topic: str, delivery: Delivery, pacer: RatePacer, sent: Sent
) -> Iterator[Sent]:
    """Sends every line at its turn and yields `sent`, which it keeps up to date, after each."""
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


def _open_input(file: str) -> AbstractContextManager[IO[bytes]]:
    if file == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise UserError(f"cannot read {file} ({error.strerror}): name a file of JSON lines, or - for stdin") from None


def produce(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON lines, one event each; - reads standard input.")],
    rate: Annotated[float | None, typer.Option(min=0.001, help="Events/s, open loop; default: all at once.")] = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Send JSON lines to user_interactions, keyed by session; nothing is refused, bad lines become dead letters."""
    target = find_target(config, sets, workdir)
    sent, started = Sent(), time.monotonic()
    with _open_input(file) as stream, Delivery(target, linger_ms=20 if rate is None else 2) as delivery:
        topic = target.settings.kafka.topics.user_interactions
        try:
            _show_progress(send_lines(read_lines(stream), topic, delivery, RatePacer(rate), sent), _size_of(file))
        finally:
            delivery.flush()
            _print_summary(sent, time.monotonic() - started)
    if sent.too_large:
        raise UserError(f"{sent.too_large} lines of over 2 MiB were not sent, as the topic takes none: shorten them")


def _size_of(file: str) -> int | None:
    return Path(file).stat().st_size if Path(file).is_file() else None


def _show_progress(steps: Iterator[Sent], total_bytes: int | None) -> None:
    last = time.monotonic()
    with progress_bar(stderr_console()) as bar:
        task = bar.add_task("sending", total=total_bytes, count="")
        for state in steps:
            if state.lines % PROGRESS_EVERY == 0 or time.monotonic() - last > PROGRESS_INTERVAL_S:
                last = time.monotonic()
                bar.update(task, completed=state.bytes + state.lines, count=f"{number(state.lines)} events")


def _print_summary(sent: Sent, seconds: float) -> None:
    rows: list[tuple[str, str | float]] = [
        ("events sent", sent.lines),
        ("without a readable session", sent.without_key),
        ("took", duration_text(seconds * 1_000)),
        ("events/s", round(sent.lines / max(seconds, 1e-9))),
    ]
    stdout_console().print(summary_table("produce", rows))
