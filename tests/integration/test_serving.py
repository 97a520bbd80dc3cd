"""The HTTP server of the stack: events in become profiles, it is supervised, and `status` names it."""

import json
import os
import signal
from contextlib import suppress
from typing import Any
from urllib.request import Request, urlopen

import redis

from cli.stack.status import status_tree
from tests.integration.conftest import Stack


def track(address: str, event: dict[str, Any]) -> dict[str, Any]:
    request = Request(
        f"{address}/v1/track", json.dumps(event).encode(), {"content-type": "application/json"}, method="POST"
    )
    with urlopen(request, timeout=30) as answer:
        assert answer.status == 202
        return dict(json.load(answer))


def is_ready(address: str) -> bool:
    with suppress(OSError), urlopen(f"{address}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def test_a_tracked_event_becomes_a_profile(stack: Stack) -> None:
    address = str(status_tree(stack.record())["serving"])
    assert address.startswith("http://127.0.0.1:")
    event = {"session_id": "over-http", "event_type": "product_view", "product_id": "p-http"}
    assert track(address, event)["accepted"] == 1
    with redis.Redis.from_url(stack.redis) as client:
        stack.wait_until(lambda: client.exists("heliotrope:profile:over-http") == 1, 120)


def test_a_killed_server_comes_back_where_it_was(stack: Stack) -> None:
    victim, address = stack.record().processes["serving"], stack.record().serving
    os.kill(victim.pid, signal.SIGKILL)
    stack.wait_until(lambda: stack.record().processes["serving"].pid != victim.pid, 30)
    stack.wait_until(lambda: is_ready(address), 120)
    assert stack.record().serving == address
    assert track(address, {"session_id": "again", "event_type": "erase"})["accepted"] == 1
