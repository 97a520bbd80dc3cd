"""`heliotrope rebuild`: all profiles and regional lists written to Redis anew, from the job's state."""

import time
from typing import Annotated, Any

import msgspec
import redis
import typer

from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import number, progress_bar, stderr_console, stdout_console, write_json
from cli.redis_client import AnyRedis, explained, open_redis
from jobs.settings_rules import bucket_count
from operators.redis.health import marker_key, new_marker
from operators.session.rebuild import Report, reports_key

FIRST_ANSWER_S = 60.0
"""A job that restarts from its checkpoint may take so long to see the request."""
QUIET_S = 6.0
"""No other bucket begins so long after the last one ended: those without sessions say nothing."""
POLL_S = 0.3


def rebuild(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Bring back all profiles in Redis from the job's state; returns once they are written, events go on meanwhile."""
    target = find_target(config, sets, workdir)
    client = open_redis(target)
    try:
        reports = _rebuild(client, target)
    except redis.RedisError as error:
        raise UserError(explained(target.endpoints.redis, error)) from None
    sessions = sum(report.sessions for report in reports)
    written = sum(report.written for report in reports)
    if as_json:
        found = {"buckets": len(reports), "sessions": sessions, "profiles": written}
        write_json(msgspec.json.encode(found).decode())
    else:
        said = f"wrote {number(written)} profiles of {number(sessions)} sessions anew, and the regions' lists"
        stdout_console().print(said, soft_wrap=True)


def _rebuild(client: AnyRedis, target: Target) -> list[Report]:
    """Asks by a new marker: the job takes it for that of another Redis, and writes all that it holds."""
    prefix, marker = target.settings.redis.prefix, new_marker()
    client.set(marker_key(prefix), marker)
    started_s = quiet_since_s = time.monotonic()
    reports: list[Report] = []
    with progress_bar(stderr_console()) as bar:
        task = bar.add_task("bringing back", total=None, count="")
        while True:
            found = _reports(client, prefix, marker)
            if found != reports:
                quiet_since_s, reports = time.monotonic(), found
            done = sum(report.is_done for report in reports)
            bar.update(task, count=f"{number(sum(report.written for report in reports))} profiles, {done} buckets done")
            if done == bucket_count(target.settings):
                return reports
            if reports and done == len(reports) and time.monotonic() - quiet_since_s > QUIET_S:
                return reports
            if not reports and time.monotonic() - started_s > FIRST_ANSWER_S:
                raise UserError(
                    f"no job answered within {FIRST_ANSWER_S:.0f} s: is it RUNNING (`heliotrope status`), with this Redis and "
                    f"redis.prefix {prefix}? It begins by itself as soon as it is"
                )
            time.sleep(POLL_S)


def _reports(client: AnyRedis, prefix: str, marker: str) -> list[Report]:
    """What the buckets say of this rebuild."""
    try:
        held: Any = client.hgetall(reports_key(prefix))
    except redis.ResponseError:  # another program's key, which the job's first report replaces
        return []
    found: list[Report] = []
    for value in held.values():
        try:
            report = msgspec.json.decode(value, type=Report)
        except (msgspec.DecodeError, UnicodeError):
            continue
        if report.epoch.startswith(marker):
            found.append(report)
    return found
