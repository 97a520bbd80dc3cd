"""`heliotrope profile`: one session's profile for a person."""

import time
from collections.abc import Generator
from contextlib import suppress
from typing import Annotated, Any

import msgspec
import redis
import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape

from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target
from cli.output import stdout_console, write_json
from cli.profile.view import profile_view
from cli.redis_client import AnyRedis, explained, open_redis, profile_channel, profile_key
from cli.redis_cluster import ClusterClient
from cli.text import visible

REFRESH_S = 1.0  # ages change although the profile does not
FAILOVER_S, POLL_S = 30.0, 0.2
"""A primary of a cluster that dies is waited for so long, its successor looked for so often."""


def profile(
    session_id: Annotated[str, typer.Argument(help="The session, as in the events.")],
    watch: Annotated[bool, typer.Option("--watch", help="Stay and follow every change; Ctrl-C ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The profile as it stands in Redis.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Show one session's profile: what to show next, why, and what is known of the visitor."""
    target = find_target(config, sets, workdir)
    client = open_redis(target)
    if watch:
        with suppress(KeyboardInterrupt):
            _watch(client, target, session_id, as_json)
        return
    raw = read_profile(client, target, session_id)
    if raw is None:
        raise no_profile(session_id)
    if as_json:
        write_json(read_text(raw, session_id))
    else:
        stdout_console().print(_view(raw, session_id))


def no_profile(session_id: str) -> UserError:
    """Return the error for a session without one."""
    return UserError(
        f"no profile of session {session_id}: none of its events was applied within"
        " session.ttl; send one with `heliotrope produce`, or look at `heliotrope status` and `dead-letters`"
    )


def read_profile(client: AnyRedis, target: Target, session_id: str) -> bytes | None:
    """Return the profile's bytes, None where there is none.

    Raises:
        UserError: Redis went away.
    """
    try:
        raw: Any = client.get(profile_key(target.settings.redis.prefix, session_id))
    except redis.RedisError as error:
        if "WRONGTYPE" in str(error):
            raise not_a_profile(session_id, "its key is of another type") from None
        raise UserError(explained(target.endpoints.redis, error)) from None
    return raw if isinstance(raw, bytes) else None


def read_text(raw: bytes, session_id: str) -> str:
    """Return the profile as it stands in Redis.

    Raises:
        UserError: what stands there is no profile.
    """
    decode_profile(raw, session_id)
    return raw.decode()


def decode_profile(raw: bytes, session_id: str) -> dict[str, Any]:
    """Return the profile as plain values.

    Raises:
        UserError: what stands there is no profile.
    """
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise not_a_profile(session_id, str(error)) from None


def not_a_profile(session_id: str, why: str) -> UserError:
    """Return the error for a key that another program wrote."""
    return UserError(
        f"what stands under the key of session {session_id} is no profile ({why}): does redis.prefix belong to Heliotrope alone? "
        "The session's next event overwrites it, as does `heliotrope rebuild`"
    )


def _watch(client: AnyRedis, target: Target, session_id: str, as_json: bool) -> None:
    console = stdout_console()
    states = _states(client, target, session_id)
    if as_json or not console.is_terminal:
        shown: bytes | None = None
        for raw in states:
            if raw is not None and raw != shown:
                _print_change(console, raw, session_id, as_json)
            shown = raw
        return
    with Live(_waiting(session_id), console=console, auto_refresh=False) as live:
        for raw in states:
            live.update(_view(raw, session_id) if raw is not None else _waiting(session_id), refresh=True)


def _states(client: AnyRedis, target: Target, session_id: str) -> Generator[bytes | None, None, None]:
    """The profile now, after every change, and once per refresh time; without end."""
    subscription = _subscribe(client, target)
    try:
        while True:
            yield read_profile(client, target, session_id)
            try:
                _wait_for_change(subscription, session_id)
            except redis.RedisError as error:
                if not isinstance(client, ClusterClient):
                    raise UserError(f"Redis went away ({error}): look at `heliotrope status`") from None
                _close(subscription)
                subscription = _move(client, target)
    finally:
        _close(subscription)


def _subscribe(client: AnyRedis, target: Target) -> Any:
    subscription: Any = client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    try:
        subscription.subscribe(profile_channel(target.settings.redis.prefix))
    except redis.RedisError:
        _close(subscription)
        raise
    return subscription


def _close(subscription: Any) -> None:
    """Ends a subscription here and now. One that Python collects while its pool makes a connection waits for the pool's lock for
    ever: redis-py holds it then, and it is not one to be taken twice."""
    with suppress(redis.RedisError, OSError):
        subscription.close()


def _move(client: ClusterClient, target: Target) -> Any:
    """Subscribe at another node of a cluster, once reads are answered too: a failover takes its time.

    Raises:
        UserError: none answers in time.
    """
    deadline_s = time.monotonic() + FAILOVER_S
    while True:
        try:
            client.get(profile_key(target.settings.redis.prefix, ""))
            return _subscribe(client, target)
        except redis.RedisError as error:
            if time.monotonic() > deadline_s:
                raise UserError(explained(target.endpoints.redis, error)) from None
            time.sleep(POLL_S)


def _print_change(console: Console, raw: bytes, session_id: str, as_json: bool) -> None:
    if as_json:
        write_json(read_text(raw, session_id))
    else:
        console.print(_view(raw, session_id))


def _view(raw: bytes, session_id: str) -> RenderableType:
    return profile_view(decode_profile(raw, session_id), _now_ms())


def _waiting(session_id: str) -> str:
    return f"[dim]waiting for a profile of session {escape(visible(session_id))}[/]"


def _wait_for_change(subscription: Any, session_id: str) -> None:
    """Returns once the session's profile was written, or after the refresh time.

    Raises:
        RedisError: the server is gone.
    """
    deadline = time.monotonic() + REFRESH_S
    needle = msgspec.json.encode(session_id)
    while (left_s := deadline - time.monotonic()) > 0:
        message = subscription.get_message(timeout=left_s)
        if message is not None and needle in message["data"]:
            return


def _now_ms() -> int:
    return int(time.time() * 1_000)
