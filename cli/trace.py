"""`heliotrope trace`: what happened to one event, by its id."""

import json as text_json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli.errors import UserError
from cli.explain.verb import since_time
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import progress_bar, stderr_console, stdout_console, summary_table, write_json
from cli.profile.verb import decode_profile, read_profile
from cli.redis_client import open_redis
from cli.text import visible

if TYPE_CHECKING:
    from cli.explain.history import History

DEFAULT_SINCE = "2 h"


class Way(msgspec.Struct):
    """A record with the event: where it is, when it came, and what became of it; times in ms since the epoch."""

    partition: int
    offset: int
    came_ms: int
    fate: str


class Trace(msgspec.Struct):
    """The event's way: its records, then what its session got of it. `profile` says whether the one in Redis is newer than it."""

    event_id: str
    session_id: str
    records: list[Way]
    decision: dict[str, Any] | None = None
    outcomes: list[dict[str, Any]] = []
    profile: str = ""


class _Event(msgspec.Struct):
    session_id: str = ""
    event_id: str = ""


def trace(
    event_id: Annotated[str, typer.Argument(help="The event's `event_id`.")],
    since: Annotated[str, typer.Option(help="Read events from then on, as for `explain`.")] = DEFAULT_SINCE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Show what happened to one event: accepted, repeated, refused or late, and what its session was shown after it."""
    target = find_target(config, sets, workdir)
    since_ms = since_time(since, int(time.time() * 1_000))
    found = follow(target, event_id, since_ms)
    if as_json:
        write_json(msgspec.json.encode(found).decode())
    else:
        stdout_console().print(summary_table(f"event {visible(event_id)}", rows_of(found)))


def follow(target: Target, event_id: str, since_ms: int) -> Trace:
    """Read the topics from that Kafka time on.

    Raises:
        UserError: no such event has come.
    """
    # numba comes with it, which takes half a second that no other verb should wait for
    from cli.explain.history import read_history, records_of, refusals_of

    topic = target.settings.kafka.topics.user_interactions
    needles = {text_json.dumps(event_id, ensure_ascii=ascii)[1:-1].encode() for ascii in (True, False)}
    with progress_bar(stderr_console()) as bar:
        records = [
            record
            for record in records_of(target, topic, bar, since_ms)
            if record.value
            and any(needle in record.value for needle in needles)
            and _read(record.value).event_id == event_id
        ]
        if not records:
            raise UserError(
                f"no event {visible(event_id)} came lately: name an earlier time with --since, or correct the id"
            )
        session_id = next((session for record in records if (session := _read(record.value).session_id)), "")
        refusals = refusals_of(target, since_ms, bar)
        history = read_history(target, session_id, since_ms, bar) if session_id else None
    late = {(a.partition, a.offset) for a in history.arrivals if a.is_late} if history else set()
    ways = fates(sorted(records, key=lambda record: (record.timestamp, record.offset)), refusals, late)
    found = Trace(event_id, session_id, ways)
    accepted = next((way for way in ways if way.fate == "accepted"), None)
    if accepted and history:
        _follow_session(found, history, accepted.came_ms)
        found.profile = _profile(target, session_id, accepted.came_ms)
    return found


def fates(records: Sequence[Any], refusals: dict[tuple[int, int], str], late: set[tuple[int, int]]) -> list[Way]:
    """Return what became of each record of one event, oldest first: a second one that is read is a duplicate of the first."""
    ways: list[Way] = []
    for record in records:
        position = (record.partition, record.offset)
        if position in refusals:
            fate = f"dead letter: {refusals[position]}"
        elif position in late:
            fate = "late"
        else:
            fate = "duplicate" if any(way.fate == "accepted" for way in ways) else "accepted"
        ways.append(Way(record.partition, record.offset, record.timestamp, fate))
    return ways


def _follow_session(found: Trace, history: "History", came_ms: int) -> None:
    after = next((decision for decision in history.decisions if decision.timestamp >= came_ms), None)
    if after is not None:
        found.decision = {
            "decision_id": after.decision_id,
            "timestamp": after.timestamp,
            "policy": after.policy,
            "variant": after.variant,
            "profile_version": after.profile_version,
            "items": len(after.items),
        }
    found.outcomes = [
        {
            "kind": outcome.kind,
            "decision_id": outcome.decision_id,
            "product_id": outcome.product_id,
            "reward": outcome.reward,
        }
        for outcome in history.outcomes.values()
        if outcome.event_id == found.event_id
    ]


def _profile(target: Target, session_id: str, came_ms: int) -> str:
    with open_redis(target) as client:
        raw = read_profile(client, target, session_id)
    if raw is None:
        return "none in Redis"
    profile = decode_profile(raw, session_id)
    is_newer = profile["updated_at"] >= came_ms
    return f"version {profile['version']}, written {'after' if is_newer else 'before'} the event came"


def _read(value: bytes) -> _Event:
    try:
        return msgspec.json.decode(value, type=_Event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Event()


def rows_of(found: Trace) -> list[tuple[str, str]]:
    """Return the trace for a person."""
    rows = [("session", visible(found.session_id))]
    for way in found.records:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(way.came_ms / 1_000))
        rows.append((f"partition {way.partition}, offset {way.offset}", f"{visible(way.fate)}, came {at} UTC"))
    if found.decision is not None:
        text = "{decision_id}, {policy} of {variant}, profile version {profile_version}"
        rows.append(("next decision", text.format(**found.decision)))
    rows += [(o["kind"], f"{visible(o['product_id'])}, reward {o['reward']:g}") for o in found.outcomes]
    if found.profile:
        rows.append(("profile", found.profile))
    return rows
