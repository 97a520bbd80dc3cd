"""Redis holds another program's keys, loses its data, is full for long: the job mends it by itself."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import pytest
import redis
from typer.testing import CliRunner

from cli.main import app
from cli.options import find_target
from cli.redis_client import open_redis
from cli.stack.flink_rest import FlinkRest
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, open_shop

PROFILE = "heliotrope:profile:{}"
SESSIONS = 200
PROBES = 5
TOLD = 3
COMPARED = 10
"""Items: how many of a slate fit into a profile's bytes depends on the length of the scores' digits."""
PATIENCE_S = 240
"""A Redis that lost its data is noticed, and rebuilt at a bounded rate; other work may share the machine."""


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as shop:
        yield shop


@pytest.fixture(scope="module")
def admin(stack: Stack) -> Iterator[redis.Redis]:
    """The stack's own Redis, which these tests spoil."""
    if stack.kind != "embedded":
        pytest.skip("this Redis is not the stack's own")
    with open_redis(find_target(None, (), stack.workdir)) as client:
        yield client


def profiles(client: redis.Redis, sessions: list[str]) -> list[tuple[Any, ...] | None]:
    """What the sessions' profiles are told by, None where there is none; nothing while Redis is away.

    Scores are not of it: they are by the newest model, which goes on learning. Nor is the time of publication: a task that Redis
    kept waiting for too long starts again, and publishes anew what may not have arrived.
    """
    with suppress(redis.ConnectionError):
        found: Any = client.mget([PROFILE.format(session) for session in sessions])
        return [None if value is None else _told_by(value) for value in found]
    return []


def differing(client: redis.Redis, wanted: dict[str, Any]) -> dict[str, Any]:
    """The first sessions whose profile is told by something else than wanted: that, and what was wanted."""
    found = dict(zip(wanted, profiles(client, list(wanted)), strict=False))
    others = (name for name, told in wanted.items() if found.get(name, "") != told)
    return {name: (found.get(name, "Redis is away"), wanted[name]) for name in islice(others, TOLD)}


def settle(shop: Shop, stack: Stack) -> None:
    """Waits until nothing is shown that other tests have taken off the list: a slate of such products cannot come back."""
    listed = {record.key: record.value for record in shop.records_to_end(stack.settings.kafka.topics.products)}
    gone = {
        key.decode(errors="replace") for key, value in listed.items() if key and value is None
    }  # others send any key
    probe, version = shop.session(), 0

    def shows_gone() -> bool:
        nonlocal version
        version += 1
        shop.send(probe)
        items = shop.profile_of_version(probe, version)["score_data"]
        return any(item["product_id"] in gone for item in items)

    stack.wait_until(lambda: not any(shows_gone() for _ in range(PROBES)))


def _told_by(value: bytes) -> tuple[Any, ...]:
    profile = msgspec.json.decode(value)
    items = [item["product_id"] for item in profile["score_data"][:COMPARED]]
    return profile["version"], profile["generation"], profile["decision_id"], items


def keep(stack: Stack) -> None:
    """Waits for a checkpoint that began after this call: a task that starts again has what there is now."""
    rest, job = FlinkRest(stack.flink), stack.record().job.id
    done = rest.completed_checkpoints(job)
    stack.wait_until(lambda: rest.completed_checkpoints(job) >= done + 2)


def test_a_key_of_another_type_stops_nobody(shop: Shop, admin: redis.Redis, stack: Stack) -> None:
    before = stack.record().processes["taskmanager-1"]
    strange, other = shop.session(), shop.session()
    admin.hset(PROFILE.format(strange), "a", "b")
    for session in (strange, other):
        shop.send(session)
        stack.wait_for(partial(admin.type, PROFILE.format(session)), b"string")
        assert shop.profile_of_version(session, 1)
    assert stack.record().processes["taskmanager-1"] == before


def test_what_redis_loses_comes_back_from_state(shop: Shop, admin: redis.Redis, stack: Stack) -> None:
    """By a flush, by a dump that is old, and on demand; never what was erased."""
    settle(shop, stack)
    sessions = [shop.session() for _ in range(SESSIONS)]
    erased = shop.session()
    for session in (*sessions, erased):
        shop.send(session)
    stack.wait_until(lambda: None not in profiles(admin, [*sessions, erased]))
    admin.config_set("save", "")
    admin.save()  # the dump: as of now
    shop.send(erased, "erase")
    for session in sessions:
        shop.send(session, "add_to_cart", product_id="kettle")
    stack.wait_until(lambda: not admin.exists(PROFILE.format(erased)))
    stack.wait_until(lambda: {found and found[0] for found in profiles(admin, sessions)} == {2})
    wanted = dict(zip([*sessions, erased], [*profiles(admin, sessions), None], strict=True))
    keep(stack)

    restarts = stack.record().processes["redis"].restarts
    os.kill(stack.record().processes["redis"].pid, signal.SIGKILL)
    stack.wait_until(lambda: stack.record().processes["redis"].restarts > restarts)
    stack.wait_for(partial(differing, admin, wanted), {}, PATIENCE_S)

    admin.flushall()
    stack.wait_for(partial(differing, admin, wanted), {}, PATIENCE_S)

    admin.delete(*(PROFILE.format(session) for session in sessions))
    answer = CliRunner().invoke(app, ["rebuild", "--json", "--workdir", str(stack.workdir)])
    assert answer.exit_code == 0, answer.output
    assert not differing(admin, wanted)
    assert msgspec.json.decode(answer.stdout)["profiles"] >= SESSIONS


def test_a_redis_that_is_full_for_long_fails_the_task_and_not_the_process(
    shop: Shop, admin: redis.Redis, stack: Stack
) -> None:
    before = stack.record().processes["taskmanager-1"]
    rest, job = FlinkRest(stack.flink), stack.record().job.id
    failures, session = len(rest.failures(job)), shop.session()
    shop.send(session)
    shop.profile_of_version(session, 1)
    try:
        admin.config_set("maxmemory", 1)
        shop.send(session, "add_to_cart", product_id="kettle")
        stack.wait_until(lambda: len(rest.failures(job)) > failures, 90)
    finally:
        admin.config_set("maxmemory", 0)
    shop.profile_of_version(session, 2)
    stack.wait_until(stack.is_running)
    assert stack.record().processes["taskmanager-1"] == before
