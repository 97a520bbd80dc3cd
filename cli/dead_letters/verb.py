"""`heliotrope dead-letters`: what could not be read, why, and a way back for it."""

from contextlib import suppress
from typing import Annotated

import msgspec
import typer

from cli.dead_letters.resending import resend_all
from cli.dead_letters.view import letter_json, letter_view, tally_json, tally_view
from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import number, progress_bar, stderr_console, stdout_console, summary_table, write_json
from cli.topic_reader import TopicReader
from state.events.dead_letter import Tally


def dead_letters(
    follow: Annotated[bool, typer.Option("--follow", help="Stay and show new ones as they come; Ctrl-C ends.")] = False,
    resend: Annotated[bool, typer.Option("--resend", help="Put the payloads back to their topic, each once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs; with --follow one line each.")] = False,
    limit: Annotated[int, typer.Option(min=0, help="How many of the newest are shown.")] = 10,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Show the dead letters: counts per reason and the newest with their bytes; --resend puts them back after a fix."""
    if follow and resend:
        raise UserError("--follow and --resend exclude each other: resend first, then follow")
    target = find_target(config, sets, workdir)
    if resend:
        _resend(target, as_json)
        return
    with TopicReader(target, target.settings.kafka.topics.dead_letters) as reader:
        _show(reader, as_json, limit)
        if follow:
            with suppress(KeyboardInterrupt):
                _follow(reader, as_json)


def _show(reader: TopicReader, as_json: bool, limit: int) -> None:
    tally = Tally(limit)
    with progress_bar(stderr_console()) as bar:
        task = bar.add_task("reading", total=reader.waiting, count="")
        for records in reader.to_end():
            for record in records:
                tally.add(record)
            bar.update(task, completed=tally.reasons.total(), count=f"{number(tally.reasons.total())} dead letters")
    if as_json:
        write_json(tally_json(tally))
    elif not tally.reasons:
        stdout_console().print("no dead letters")
    else:
        stdout_console().print(tally_view(tally))


def _follow(reader: TopicReader, as_json: bool) -> None:
    tally, console = Tally(0), stdout_console()
    for records in reader.on_and_on():
        for record in records:
            letter = tally.add(record)
            if as_json:
                write_json(msgspec.json.encode(letter_json(record.timestamp, record.key, letter)).decode())
            else:
                console.print(letter_view(record.timestamp, record.key, letter))


def _resend(target: Target, as_json: bool) -> None:
    with stderr_console().status("sending dead letters back"):
        done = resend_all(target)
    if as_json:
        write_json(msgspec.json.encode({"sent": done.sent, "refused": dict(done.refused)}).decode())
        return
    rows = [("sent back", done.sent)]
    rows += [(f"refused: {reason}", count) for reason, count in done.refused.most_common()]
    stdout_console().print(summary_table("dead-letters --resend", rows))
