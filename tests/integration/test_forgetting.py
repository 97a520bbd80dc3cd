"""What a visitor wants forgotten is gone: from state, Redis and what is written from then on, and nothing brings it back."""

import hashlib
import hmac
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

HOUR = 3_600_000
REPLAYED = 12
PATIENCE_S = 240.0
"""A TaskManager is killed meanwhile, and other work may share the machine."""


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        opened.product("kettle", price=30.0)
        yield opened


WISHES: dict[str, dict[str, Any]] = {"erase": {}, "consent": {"granted": False}}


@pytest.mark.parametrize("wish", WISHES)
def test_what_is_forgotten_stays_so(shop: Shop, stack: Stack, wish: str) -> None:
    """Replays of hours ago, a killed TaskManager with writes under way, and a new beginning that knows nothing of before."""
    session, user = shop.session(), f"person-{shop.session()}"
    secret = f"only-{shop.session()}"
    before = [
        shop.send(session, product_id=secret, user_id=user, region="EU", timestamp=now_ms() - step * HOUR)
        for step in range(REPLAYED)
    ]
    profile_when(shop, session, lambda profile: profile["version"] >= REPLAYED)
    wished = shop.send(session, wish, **WISHES[wish])
    os.kill(stack.record().processes["taskmanager-1"].pid, signal.SIGKILL)
    replay(shop, session, before)
    shop.stack.wait_until(lambda: shop.profile(session) is None, PATIENCE_S)
    hashed = session_hash(stack, session)
    stack.wait_until(lambda: any(record.key == hashed for record in shop.records("audit")), PATIENCE_S)
    [audit] = [record for record in shop.records("audit") if record.key == hashed]
    assert json.loads(audit.value)["action"] == ("erase" if wish == "erase" else "consent_withdrawn")
    replay(shop, session, [event | {"event_id": f"again-{event['event_id']}"} for event in before])
    later = wished["timestamp"] + 1
    if wish == "consent":
        shop.send(session, "consent", granted=True, timestamp=later)
    shop.send(session, timestamp=later + 1, region="EU")
    profile = profile_when(shop, session, lambda profile: profile["affinities"]["products"] == {"kettle": 1.0})
    granted = wish == "consent"
    assert profile["counts"] == {"applied": 1 + granted, "duplicates": 0, "dropped": 2 * REPLAYED}
    assert secret not in json.dumps(profile)
    assert keys_with(shop, secret, user) == []
    shop.send(session, "erase", timestamp=later + 2)
    shop.stack.wait_until(lambda: keys_with(shop, session) == [], PATIENCE_S)
    stack.wait_until(stack.is_running, PATIENCE_S)
    assert logs_with(stack, session, user) == []
    assert written_with(shop, user) == []


def profile_when(shop: Shop, session: str, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Waits for a profile of which the condition holds."""
    found: list[dict[str, Any]] = []

    def holds() -> bool:
        found[:] = [profile for profile in [shop.profile(session)] if profile is not None and condition(profile)]
        return bool(found)

    shop.stack.wait_until(holds, PATIENCE_S)
    return found[0]


def replay(shop: Shop, session: str, events: list[dict[str, Any]]) -> None:
    for event in events:
        shop.post(json.dumps(event).encode(), session.encode())
    shop.flush()


def session_hash(stack: Stack, session: str) -> bytes:
    salt = Path(stack.settings.events.salt_file).read_bytes().strip()
    return hmac.new(salt, session.encode(), hashlib.sha256).hexdigest().encode()


def keys_with(shop: Shop, *texts: str) -> list[bytes]:
    """Keys of Redis that have one of the texts in their name or value."""
    found = []
    for key in shop.redis.scan_iter(match=f"{shop.stack.settings.redis.prefix}:*"):
        value: Any = shop.redis.get(key) or b""
        if any(text.encode() in key + value for text in texts):
            found.append(key)
    return found


def logs_with(stack: Stack, *texts: str) -> list[str]:
    """Lines of any log that name one of the texts."""
    return [
        line
        for file in (stack.workdir / "logs").iterdir()
        for line in file.read_text(errors="replace").splitlines()
        if any(text in line for text in texts)
    ]


def written_with(shop: Shop, user: str) -> list[tuple[str, Any]]:
    """Records that the job wrote with the user's id: only its hash leaves."""
    topics = shop.stack.settings.kafka.topics
    written = ("dead_letters", "decisions", "outcomes", "audit", "popularity", "session_hints", "candidate_lists")
    return [
        (topic, record.key)
        for topic in written
        for record in shop.records(getattr(topics, topic))
        if user.encode() in (record.key or b"") + (record.value or b"")
    ]
