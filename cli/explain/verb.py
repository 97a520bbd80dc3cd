"""`heliotrope explain`: why a visitor sees what they see."""

import time
from datetime import datetime
from typing import Annotated

import msgspec
import typer

from cli.errors import UserError
from cli.options import Config, Sets, Workdir, find_target
from cli.output import progress_bar, stderr_console, stdout_console, write_json
from cli.profile.verb import decode_profile, no_profile, read_profile
from cli.redis_client import open_redis
from jobs.settings import DURATION, UNITS_MS


def explain(
    session_id: Annotated[str, typer.Argument(help="The session, as in the events.")],
    as_json: Annotated[bool, typer.Option("--json", help="All of it for programs.")] = False,
    since: Annotated[
        str | None,
        typer.Option(help="Read events from then on: a time such as 6 h ago, or 2026-11-27T00:00:00+00:00."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All events and candidates, not the newest and best.")
    ] = False,
    product: Annotated[list[str] | None, typer.Option(help="Tell in any case why this one is not shown.")] = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Show why a visitor sees what they see: events used, what they add up to, candidates and their terms, what is left out."""
    # numba takes half a second to import, which no other verb should wait for
    from cli.explain.making import make_report
    from cli.explain.view import report_view

    target = find_target(config, sets, workdir)
    now_ms = int(time.time() * 1_000)
    since_ms = None if since is None else since_time(since, now_ms)
    raw = read_profile(open_redis(target), target, session_id)
    if raw is None:
        raise no_profile(session_id)
    profile = decode_profile(raw, session_id)
    with progress_bar(stderr_console()) as bar:
        report = make_report(target, session_id, profile, now_ms, bar, since_ms, product or ())
    if as_json:
        write_json(msgspec.json.encode(report).decode())
    else:
        stdout_console().print(report_view(report, everything))


def since_time(text: str, now_ms: int) -> int:
    """Read `6 h` as so long before now, or an ISO time with its offset from UTC, in ms since the epoch.

    Raises:
        UserError: it is neither.
    """
    match = DURATION.match(text.removesuffix("ago"))
    if match is not None:
        return max(1, now_ms - round(float(match[1]) * UNITS_MS[match[2]]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise UserError(f"--since {text}: write it as 6 h, 30 min, or 2026-11-27T00:00:00+00:00")
    return max(1, int(moment.timestamp() * 1_000))
