"""The main job on the real stack: from an event to a profile, a log record, or a dead letter."""

import base64
import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.conftest import Stack
from tests.integration.shop import Shop, now_ms, open_shop

HOUR = 3_600_000


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        for product_id in ("kettle", "toaster", "mixer", "oven"):
            opened.product(product_id, price=30.0, rating=4.2, rating_count=12)
        seen = opened.session()
        opened.send(seen)
        stack.wait_until(lambda: _shows_all_products(opened, seen))
        yield opened


def _shows_all_products(shop: Shop, session_id: str) -> bool:
    """Events may overtake the catalogue: another view shows what has arrived by now."""
    shop.send(session_id)
    profile = shop.profile(session_id)
    return profile is not None and len(profile["score_data"]) == 4


def of_session(session_id: str) -> Any:
    return lambda record: record.key == session_id.encode()


def test_a_view_becomes_a_profile_that_is_announced(shop: Shop) -> None:
    session = shop.session()
    listener = shop.redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe("heliotrope:profile-updated")
    listener.get_message(timeout=5)
    event = shop.send(session)
    profile = shop.profile_of_version(session, 1)
    assert profile["last_event"] == {
        "event_id": event["event_id"],
        "event_type": "product_view",
        "timestamp": event["timestamp"],
    }
    assert profile["affinities"] == {"products": {"kettle": 1.0}, "categories": {"kitchen": 1.0}}
    assert profile["windows"]["5m"] == {"product_view": 1}
    assert {item["product_id"] for item in profile["score_data"]} == {"kettle", "toaster", "mixer", "oven"}
    assert sum(item["score"] for item in profile["score_data"]) == pytest.approx(1, abs=1e-4)
    life_ms = int(str(shop.redis.pttl(f"heliotrope:profile:{session}")))
    assert 47 * HOUR < life_ms <= 48 * HOUR
    announced: list[Any] = []
    shop.stack.wait_until(lambda: _heard(listener, session, announced))
    assert announced[0]["version"] == 1
    listener.close()


def _heard(listener: Any, session: str, announced: list[Any]) -> bool:
    message = listener.get_message(timeout=1)
    if message is not None and json.loads(message["data"])["session_id"] == session:
        announced.append(json.loads(message["data"]))
    return bool(announced)


BAD = {
    "empty": b"",
    "not_json": b"hello \x00\x00",
    "not_utf8": b'{"session_id": "\xff\xfe"}',
    "not_an_object": b"[1, 2, 3]",
    "missing_field": b'{"session_id": "x"}',
    "wrong_type": b'{"session_id": "x", "event_type": "product_view", "timestamp": "yesterday", "product_id": "p"}',
    "unknown_event_type": b'{"session_id": "x", "event_type": "teleport", "timestamp": 1763770000000}',
    "timestamp_not_positive": b'{"session_id": "x", "event_type": "search", "query": "q", "timestamp": -5}',
    "too_large": b'{"session_id": "x", "filler": "' + b"x" * 1_048_576 + b'"}',
}


@pytest.mark.parametrize("reason", [*BAD, "timestamp_in_future"])
def test_bad_input_becomes_a_dead_letter(shop: Shop, reason: str) -> None:
    in_a_year = {"session_id": "x", "event_type": "search", "query": "q", "timestamp": now_ms() + 365 * 24 * HOUR}
    payload = BAD.get(reason) if reason in BAD else json.dumps(in_a_year).encode()
    assert payload is not None
    key = f"bad-{reason}-{shop.session()}".encode()
    shop.raw(payload, key)
    [record] = shop.records_when("dead_letters", lambda record: record.key == key)
    letter = json.loads(record.value)
    assert letter["reason"] == reason
    assert letter["payload_bytes"] == len(payload)
    assert base64.b64decode(letter["payload_base64"]) == payload[: 16 * 1024]
    assert letter["topic"] == "user_interactions"


def test_a_message_without_value_becomes_a_dead_letter(shop: Shop) -> None:
    key = shop.session().encode()
    shop.raw(None, key)
    [record] = shop.records_when("dead_letters", lambda record: record.key == key)
    assert json.loads(record.value)["reason"] == "empty"


def test_the_job_runs_on_after_all_bad_input(shop: Shop) -> None:
    session = shop.session()
    shop.send(session)
    shop.profile_of_version(session, 1)
    assert shop.stack.is_running()


def test_duplicates_count_and_change_nothing_else(shop: Shop) -> None:
    session = shop.session()
    event = shop.send(session, product_id="mixer")
    first = shop.profile_of_version(session, 1)
    for _ in range(3):
        shop.raw(json.dumps(event).encode(), session.encode())
    after = shop.profile_when(session, lambda profile: profile["counts"]["duplicates"] == 3)
    assert after["counts"] == {"applied": 1, "duplicates": 3, "dropped": 0}
    for field in ("version", "generation", "decision_id", "affinities", "windows", "last_event"):
        assert after[field] == first[field]


def test_events_out_of_order_are_put_in_order(shop: Shop) -> None:
    session = shop.session()
    now = now_ms()
    for minutes_ago in (0, 3, 30, 10, 59):
        shop.send(session, timestamp=now - minutes_ago * 60_000, product_id=f"p{minutes_ago}", category_id=None)
    profile = shop.profile_of_version(session, 5)
    assert profile["last_event"]["timestamp"] == now
    assert profile["windows"]["5m"] == {"product_view": 2}
    assert profile["windows"]["1h"] == {"product_view": 5}
    assert profile["affinities"]["products"] == {
        "p0": 1.0, "p3": 0.9, "p10": 0.81, "p30": 0.729, "p59": 0.6561,
    }  # fmt: skip


def test_what_is_too_old_goes_to_late_events_and_pauses_make_nothing_late(shop: Shop, stack: Stack) -> None:
    """The watermark follows the events through a pause and through news on the broadcast side."""
    session = shop.session()
    shop.send(session)
    shop.profile_of_version(session, 1)
    shop.product("whisk")
    event = shop.send(session, timestamp=now_ms() - 47 * HOUR, product_id="old")
    assert shop.profile_of_version(session, 2)["counts"]["applied"] == 2
    late: list[Any] = []

    def is_late() -> bool:
        probe = shop.send(session, timestamp=event["timestamp"] - 2 * HOUR, product_id="ancient")
        late.extend(r for r in shop.records("late_events") if r.key == session.encode() and r not in late)
        return bool(late) and json.loads(late[0].value)["product_id"] == probe["product_id"]

    stack.wait_until(is_late)  # the watermark itself comes a moment after the events


def test_erasure_removes_the_profile_for_good_and_is_audited(shop: Shop) -> None:
    session = shop.session()
    view = shop.send(session)
    shop.profile_of_version(session, 1)
    erasure = shop.send(session, "erase")
    shop.stack.wait_until(lambda: shop.profile(session) is None)
    shop.send(session, timestamp=view["timestamp"] - 1, product_id="oven")
    after = shop.session()
    shop.send(after)
    shop.profile_of_version(after, 1)
    audits = shop.records_when(
        "audit", lambda r: json.loads(r.value)["timestamp"] == erasure["timestamp"] and session not in str(r.value)
    )
    assert json.loads(audits[0].value)["action"] == "erase"
    assert shop.profile(session) is None
    shop.send(session, timestamp=erasure["timestamp"] + 1, product_id="oven")
    assert shop.profile_of_version(session, 1)["affinities"]["products"] == {"oven": 1.0}


def test_a_withdrawn_consent_stops_all_use(shop: Shop) -> None:
    session = shop.session()
    shop.send(session)
    shop.profile_of_version(session, 1)
    shop.send(session, "consent", granted=False)
    shop.stack.wait_until(lambda: shop.profile(session) is None)
    shop.send(session)
    shop.send(session, "consent", granted=True)
    shop.send(session, product_id="oven")
    assert shop.profile_of_version(session, 2)["affinities"]["products"] == {"oven": 1.0}


def test_an_impression_and_a_click_are_logged_and_learned(shop: Shop) -> None:
    session = shop.session()
    shop.send(session)
    profile = shop.profile_of_version(session, 1)
    shown = [item["product_id"] for item in profile["score_data"][:2]]
    shop.send(session, "impression", decision_id=profile["decision_id"], shown=shown)
    shop.send(session, product_id=shown[0], decision_id=profile["decision_id"])
    outcomes = [json.loads(r.value) for r in shop.records_when("outcomes", of_session(session), 3)]
    assert [(o["kind"], o["product_id"], o["reward"]) for o in outcomes[:3]] == [
        ("exposure", shown[0], 0.0), ("exposure", shown[1], 0.0), ("reward", shown[0], pytest.approx(0.2)),
    ]  # fmt: skip
    decision = json.loads(shop.records_when("decisions", of_session(session))[0].value)
    assert decision["decision_id"] == profile["decision_id"]
    logged = [(i["product_id"], round(i["propensity"], 6)) for i in decision["items"]]
    assert logged == [(i["product_id"], i["propensity"]) for i in profile["score_data"]]

    def has_learned() -> bool:
        shop.send(session)
        found = shop.profile(session)
        return found is not None and found["model_version"] > profile["model_version"]

    shop.stack.wait_until(has_learned)


def test_a_killed_task_manager_loses_and_repeats_nothing(shop: Shop, stack: Stack) -> None:
    sessions = [shop.session() for _ in range(20)]
    now = now_ms()
    for step in range(40):
        for session in sessions:
            event = {"session_id": session, "event_type": "product_view", "timestamp": now - (40 - step) * 1_000}
            event |= {"product_id": f"p{step}", "event_id": f"{session}-{step}"}
            shop.raw(json.dumps(event).encode(), session.encode())
        if step == 20:
            shop.profile_when(sessions[0], lambda profile: profile["version"] >= 5)
            victim = stack.record().processes["taskmanager-1"]
            os.kill(victim.pid, signal.SIGKILL)
    for session in sessions:
        profile = shop.profile_when(session, lambda profile: sum(profile["counts"].values()) >= 40)
        assert profile["counts"] == {"applied": 40, "duplicates": 0, "dropped": 0}
        assert profile["last_event"]["event_id"] == f"{session}-39"
    stack.wait_until(stack.is_running)
