"""`heliotrope replay`: a file of historical events, sorted by time, as events of `user_interactions`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from rich.console import Console
from rich.markup import escape

from cli.delivery import Delivery
from cli.errors import UserError
from cli.event_clock import event_clock_ms
from cli.files.options import Delimiter, Encoding, override, with_progress
from cli.files.rows import open_rows
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import duration_text, number, progress_bar, stderr_console, stdout_console, summary_table
from cli.pacing import Pacer
from cli.replay.acceptance import as_utc, check_age, check_future, newest_of
from cli.replay.examination import MOST_BAD_SHARE, Examination, absent_fields
from cli.replay.formats import Format, load_format
from cli.replay.mapping import RowMapper
from cli.replay.prepare import MOST_SESSIONS_COUNTED, Prepared, prepare
from cli.replay.sending_order import SendingOrder, sending_order
from cli.text import one_line, visible

PROGRESS_EVERY = 500


def _speed(text: str) -> float | None:
    """Times real time; None for `max`."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise UserError(f"--speed {text}: write max, or how many times real time, for example 60")
    return speed


def replay(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or Parquet; gzip, zip, bzip2, xz too.")],
    format_name: Annotated[str, typer.Option("--format", metavar="NAME|MAPPING.yaml", help="How rows become events.")],
    speed: Annotated[str, typer.Option(metavar="X|max", help="Times real time.")] = "max",
    duplicate: Annotated[float, typer.Option(min=0, max=1, help="Probability that an event is sent again.")] = 0.0,
    shuffle_within: Annotated[int, typer.Option(metavar="MS", min=0, help="Move events by at most this time.")] = 0,
    shift_to_now: Annotated[bool, typer.Option("--shift-to-now", help="Move all times: the newest is now.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of duplicates and shuffling.")] = 0,
    max_bad: Annotated[
        float, typer.Option(min=0, max=1, help="Send nothing where more than this share of the rows is no event.")
    ] = MOST_BAD_SHARE,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    send_late: Annotated[bool, typer.Option("--send-late", help="Send also what the job will call late.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Replay historical events in the order of their time, keeping it; mappings lie in conf/formats/."""
    times_real = _speed(speed)
    mapping = load_format(format_name)
    target = find_target(config, sets, workdir)
    console = stderr_console()
    events, bad = _read(file, _overridden(mapping, delimiter, encoding), target, max_bad, console)
    if not len(events.bodies):
        skipped = "; ".join(f"{count:,} rows skipped: {reason}" for reason, count in events.skipped.items())
        raise UserError(
            f"{file} holds no events ({skipped or 'no rows'}): is it the right file for --format {format_name}?"
        )
    _settle_times(events, target, shift_to_now, send_late, console)
    order = sending_order(events.times_ms, duplicate, shuffle_within, np.random.default_rng(seed))
    started = time.monotonic()
    sent = 0
    with Delivery(target, linger_ms=20 if times_real is None else 2) as delivery:
        try:
            sent = _send(events, order, times_real, delivery, target.settings.kafka.topics.user_interactions, console)
        finally:
            delivery.flush()
            _print_summary(file, events, bad, order, delivery.acknowledged, time.monotonic() - started)
    assert sent == len(order.indices)


def _overridden(mapping: Format, delimiter: str | None, encoding: str | None) -> Format:
    source = override(mapping.source, delimiter, encoding)
    return msgspec.structs.replace(mapping, source=source)


def _read(
    file: Path, mapping: Format, target: Target, max_bad: float, console: Console
) -> tuple[Prepared, Examination]:
    """All events of the file, in its order; nothing is sent before the last row was read and judged."""
    with open_rows(file, mapping.source) as rows, progress_bar(console) as bar:
        examination = Examination(rows, mapping, target.settings.events, max_bad)
        watched = with_progress(examination.watch(), rows, bar, "reading")
        events = prepare(watched, RowMapper(mapping), examination.examine)
        examination.finish()
        absent = absent_fields(mapping, rows.columns)
        read_as = rows.read_as()
    console.print(f"[dim]read as {escape(read_as)}[/]", soft_wrap=True)
    if absent:
        console.print(f"[yellow]left out of the events, no such column:[/] {escape(', '.join(absent))}", soft_wrap=True)
    return events, examination


def _settle_times(events: Prepared, target: Target, shift_to_now: bool, send_late: bool, console: Console) -> None:
    span_ms, now_ms = events.span_ms(), int(time.time() * 1_000)
    if span_ms is None:
        return
    newest_ms, astray = newest_of(events.times_ms[events.dated], now_ms + target.settings.events.max_future_ms)
    if astray:
        console.print(f"[yellow]{number(astray)} events lie ahead of the clock[/] and will be dead letters")
    offset_ms = now_ms - newest_ms if shift_to_now else 0
    events.shift(offset_ms)
    check_future(newest_ms + offset_ms, now_ms, target.settings.events)
    clock_ms = _clock(target, console)
    try:
        check_age(span_ms[0] + offset_ms, clock_ms, target.settings.events)
    except UserError as error:
        if not (shift_to_now or send_late):
            raise
        lateness_ms = target.settings.events.allowed_lateness_ms
        late = int((events.times_ms[events.dated] < (clock_ms or 0) - lateness_ms).sum())
        console.print(
            f"[yellow]{number(late)} events may be late:[/] {escape(visible(str(error).partition(': use')[0]))}",
            soft_wrap=True,
        )
        console.print("[dim]a stack that starts empty, after `heliotrope down`, takes events of any age[/]")


def _clock(target: Target, console: Console) -> int | None:
    if not target.endpoints.flink:
        console.print("[yellow]not checked whether the events are too old:[/] no Flink is known here")
        return None
    return event_clock_ms(target.endpoints.flink)


def _send(
    events: Prepared, order: SendingOrder, speed: float | None, delivery: Delivery, topic: str, console: Console
) -> int:
    sent = 0
    with progress_bar(console) as bar:
        task = bar.add_task("replaying", total=len(order.indices), count="")

        def show() -> None:
            bar.update(task, completed=sent, count=f"{number(sent)} events")

        wait = _waiter(order, speed, show)
        for index in map(int, order.indices):
            wait(sent)
            key, value = events.record(index)
            delivery.send(topic, value, key)
            sent += 1
            if sent % PROGRESS_EVERY == 0:
                show()
    return sent


def _waiter(order: SendingOrder, speed: float | None, idle: Callable[[], None]) -> Callable[[int], None]:
    if speed is None:
        return lambda _: None
    offsets_s = (order.moments_ms - order.moments_ms[0]) / 1_000 / speed
    pacer = Pacer(idle=idle)
    return lambda position: pacer.wait_until(float(offsets_s[position]))


def _print_summary(
    file: Path, events: Prepared, examination: Examination, order: SendingOrder, delivered: int, seconds: float
) -> None:
    span_ms = events.span_ms()
    rows: list[tuple[str, str | float]] = [("rows read", events.rows)]
    rows += [(f"skipped: {reason}", count) for reason, count in sorted(events.skipped.items())]
    for reason, count in examination.bad.most_common():
        rows.append((f"{reason}, sent as it is", f"{number(count)}, e.g. {one_line(examination.examples[reason])}"))
    rows += [
        ("events sent", delivered),
        ("of them duplicates added", order.duplicates),
        ("distinct sessions", f"{number(events.sessions)}{'+' if events.sessions == MOST_SESSIONS_COUNTED else ''}"),
    ]
    if span_ms is not None:
        rows.append(("oldest event", as_utc(span_ms[0])))
        rows.append(("newest event", as_utc(span_ms[1])))
        rows.append(("time span", duration_text(span_ms[1] - span_ms[0])))
    rows += [("took", duration_text(seconds * 1_000)), ("events/s", round(delivered / max(seconds, 1e-9)))]
    stdout_console().print(summary_table(f"replay of {file.name}", rows))
