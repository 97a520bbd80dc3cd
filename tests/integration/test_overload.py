"""A backlog on the real stack: the level rises, every event is applied, and the level comes back."""

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.stack.flink_rest import FlinkRest
from operators.names import SESSION
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

SESSIONS, EVENTS_EACH = 20, 60
PAUSE_S = 8.0
"""Longer than overload.fewer_candidates_after, far shorter than Flink's patience with a TaskManager."""


@contextmanager
def paused(stack: Stack) -> Iterator[None]:
    """The TaskManager stands still, and so does the supervisor, which would replace it."""
    record = stack.record()
    stopped = (record.supervisor.pid, record.processes["taskmanager-1"].pid)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(stopped):
            os.kill(pid, signal.SIGCONT)


def metric(stack: Stack, name: str) -> int:
    return FlinkRest(stack.flink).counter(stack.record().job.id, SESSION, name)


def backlog(shop: Shop, sessions: list[str]) -> None:
    now = now_ms()
    for step in range(EVENTS_EACH):
        for session in sessions:
            event = {"session_id": session, "event_type": "product_view", "timestamp": now + step}
            event |= {"product_id": f"p{step}", "event_id": f"{session}-{step}"}
            shop.raw(json.dumps(event).encode(), session.encode())


def trickle(shop: Shop, sessions: list[str]) -> None:
    """Fresh events, by which the job sees that it has caught up."""
    for session in sessions:
        shop.send(session, "search", query="what now")


def test_a_backlog_raises_the_level_loses_nothing_and_is_worked_off(stack: Stack) -> None:
    with open_shop(stack) as shop:
        sessions, others = ([Shop.session() for _ in range(SESSIONS)] for _ in range(2))
        stack.wait_until(stack.is_running)
        entered = metric(stack, "overload_entered")
        with paused(stack):
            backlog(shop, sessions)
            time.sleep(PAUSE_S)
        stack.wait_until(lambda: metric(stack, "overload_entered") >= entered + 1)
        for session in sessions:
            profile = shop.profile_when(session, lambda found: sum(found["counts"].values()) >= EVENTS_EACH)
            assert profile["counts"] == {"applied": EVENTS_EACH, "duplicates": 0, "dropped": 0}
            assert profile["last_event"]["event_id"] == f"{session}-{EVENTS_EACH - 1}"
            assert profile["windows"]["5m"] == {"product_view": EVENTS_EACH}
        stack.wait_until(lambda: metric(stack, "profiles_coalesced") > 0)

        def is_over() -> bool:
            trickle(shop, others)
            return metric(stack, "overload_level") == 0 and metric(stack, "event_lag_ms") < 1_000

        stack.wait_until(is_over)
        late = Shop.session()
        shop.send(late)
        shop.profile_of_version(late, 1)
