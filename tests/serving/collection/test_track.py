"""`POST /v1/track` against a real broker: what is answered 202 is in the topic, and nothing else is said to be."""

import base64
import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer
from starlette.testclient import TestClient

from jobs.settings import settings_from
from serving.app import create_app
from tests.kafka_server import KafkaServer
from tests.redis_server import RedisServer, redis_server
from tests.serving.collection.trackers.sent import ALL
from tests.serving.collection.trackers.sent import KEY as TRACKER_KEY
from tests.serving.redis_data import profile_of

KEY = "key-of-the-first-shop"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(f"shop {KEY}\n")
    return path


@pytest.fixture
def client(kafka_place: KafkaServer, redis_place: RedisServer) -> Iterator[TestClient]:
    with opened(kafka_place, redis_place) as found:
        yield found


@contextmanager
def opened(kafka: KafkaServer, redis: RedisServer, **sections: Any) -> Iterator[TestClient]:
    tree = {"redis": {"url": redis.url}, "kafka": {"bootstrap": kafka.bootstrap}, **sections}
    with TestClient(create_app(settings_from(tree)), raise_server_exceptions=False) as client:
        wait_until(lambda: client.get("/readyz").status_code == 200)
        yield client


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def view(session: str = "s-1", **fields: Any) -> dict[str, Any]:
    return {"session_id": session, "event_type": "product_view", "product_id": "p", **fields}


def test_a_batch_is_in_the_topic_in_order_under_its_sessions_when_it_is_answered(
    client: TestClient, kafka_place: KafkaServer
) -> None:
    before = kafka_place.ends()
    events = [view(f"s-{number % 7}", event_id=f"e-{number}", timestamp=1_763_770_000_000) for number in range(100)]
    answer = client.post("/v1/track", json={"events": events})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 100, "rejected": [], "withheld": 0})
    found = kafka_place.records(before)
    assert sorted(json.loads(value)["event_id"] for _, value, _ in found) == sorted(
        str(one["event_id"]) for one in events
    )
    for session in {str(one["session_id"]) for one in events}:
        own = [json.loads(value) for key, value, _ in found if key == session.encode()]
        assert own == [one for one in events if one["session_id"] == session]
        assert len({partition for key, _, partition in found if key == session.encode()}) == 1


def test_sessions_lie_where_other_producers_put_them(client: TestClient, kafka_place: KafkaServer) -> None:

    before = kafka_place.ends()
    producer = KafkaProducer(bootstrap_servers=kafka_place.bootstrap)
    for number in range(20):
        producer.send("user_interactions", key=f"s-{number}".encode(), value=b"{}").get(timeout=30)
    producer.close()
    client.post("/v1/track", json={"events": [view(f"s-{number}") for number in range(20)]})
    places: dict[bytes, set[int]] = {}
    for key, _, partition in kafka_place.records(before):
        places.setdefault(key, set()).add(partition)
    assert len(places) == 20
    assert all(len(partitions) == 1 for partitions in places.values())


def test_bad_events_are_named_and_good_ones_accepted(client: TestClient, kafka_place: KafkaServer) -> None:
    before = kafka_place.ends()
    answer = client.post("/v1/track", json={"events": [view(), {"session_id": "s"}, 5, view(event_type="x")]})
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    rejected = [(one["index"], one["reason"], one["field"]) for one in answer.json()["rejected"]]
    assert rejected == [
        (1, "missing_field", "event_type"),
        (2, "not_an_object", None),
        (3, "unknown_event_type", "event_type"),
    ]
    assert all(one["detail"] for one in answer.json()["rejected"])
    assert len(kafka_place.records(before)) == 1


def test_time_and_id_are_filled_in(client: TestClient, kafka_place: KafkaServer) -> None:
    before, now_ms = kafka_place.ends(), time.time_ns() // 1_000_000
    client.post("/v1/track", json=view())
    (_, value, _), *_ = kafka_place.records(before)
    assert now_ms <= json.loads(value)["timestamp"] <= time.time_ns() // 1_000_000
    assert json.loads(value)["event_id"]


def test_a_beacon_in_plain_text_and_gzip_are_taken(client: TestClient) -> None:
    beacon = client.post("/v1/track", content=json.dumps(view()), headers={"content-type": "text/plain;charset=UTF-8"})
    assert (beacon.status_code, beacon.json()["accepted"]) == (202, 1)
    packed = gzip.compress(json.dumps({"events": [view()] * 3}).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = client.post("/v1/track", content=packed, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 3)


def test_keys_are_asked_for_where_there_are_some(
    kafka_place: KafkaServer, redis_place: RedisServer, keys: Path
) -> None:
    with opened(kafka_place, redis_place, serving={"write_keys_file": str(keys)}) as client:
        assert client.post("/v1/track", json=view()).status_code == 401
        basic = base64.b64encode(f"{KEY}:".encode()).decode()
        for headers, query in (
            ({"authorization": f"Bearer {KEY}"}, ""),
            ({"authorization": f"Basic {basic}"}, ""),
            ({}, f"?write_key={KEY}"),
        ):
            assert client.post(f"/v1/track{query}", json=view(), headers=headers).status_code == 202


def test_a_limit_is_told_with_when_to_come_again(kafka_place: KafkaServer, redis_place: RedisServer) -> None:
    with opened(kafka_place, redis_place, serving={"rate_limits": {"session": "2/hour"}}) as client:
        before = kafka_place.ends()
        statuses = [client.post("/v1/track", json=view("limited")).status_code for _ in range(3)]
        assert statuses == [202, 202, 429]
        assert int(client.post("/v1/track", json=view("limited")).headers["retry-after"]) >= 1
        assert client.post("/v1/track", json=view("another")).status_code == 202
        assert len(kafka_place.records(before)) == 3


def test_without_consent_nothing_is_sent(kafka_place: KafkaServer, redis_place: RedisServer) -> None:
    with opened(kafka_place, redis_place, consent={"default": "denied"}) as client:
        before = kafka_place.ends()
        consent = {"session_id": "asked", "event_type": "consent", "granted": True}
        answers = [
            client.post("/v1/track", json=one).json() for one in (view("asked"), consent, view("asked"), view("never"))
        ]
        assert [(one["accepted"], one["withheld"]) for one in answers] == [(0, 1), (1, 0), (1, 0), (0, 1)]
        assert {key for key, _, _ in kafka_place.records(before)} == {b"asked"}


def test_cross_origin_requests_are_for_configured_origins(kafka_place: KafkaServer, redis_place: RedisServer) -> None:
    with opened(kafka_place, redis_place, serving={"origins": ["https://shop.example"]}) as client:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        allowed = client.options("/v1/track", headers=asked | {"origin": "https://shop.example"})
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
        assert client.options("/v1/track", headers=asked | {"origin": "https://other.example"}).status_code == 400


def test_while_the_broker_is_away_nothing_is_accepted_and_what_was_is_there(
    client: TestClient, kafka_place: KafkaServer
) -> None:
    before = kafka_place.ends()
    accepted = [f"before-{number}" for number in range(20)]
    for name in accepted:
        assert client.post("/v1/track", json=view(event_id=name)).status_code == 202
    kafka_place.kill()
    try:
        refused = [client.post("/v1/track", json=view(event_id=f"while-{number}")) for number in range(5)]
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
    finally:
        kafka_place.start()
    assert [(answer.status_code, int(answer.headers["retry-after"]) >= 1) for answer in refused] == [(503, True)] * 5
    wait_until(lambda: client.post("/v1/track", json=view(event_id="after")).status_code == 202)
    names = {json.loads(value)["event_id"] for _, value, _ in kafka_place.records(before)}
    assert names == {*accepted, "after"}


def test_a_broker_that_stalls_in_the_middle_leaves_no_202_without_a_record(
    client: TestClient, kafka_place: KafkaServer
) -> None:
    before = kafka_place.ends()
    assert client.post("/v1/track", json=view(event_id="first")).status_code == 202
    kafka_place.stall()
    try:
        stalled = client.post("/v1/track", json={"events": [view(event_id=f"stalled-{one}") for one in range(10)]})
    finally:
        kafka_place.wake()
    assert stalled.status_code == 503
    again = {"events": [view(event_id=f"stalled-{one}") for one in range(10)]}
    wait_until(lambda: client.post("/v1/track", json=again).status_code == 202)
    names = {json.loads(value)["event_id"] for _, value, _ in kafka_place.records(before)}
    assert names == {"first", *(f"stalled-{one}" for one in range(10))}


def test_what_other_trackers_send_is_in_the_topic_and_answered_as_they_expect(
    kafka_place: KafkaServer, redis_place: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "keys"
    path.write_text(f"tracker {TRACKER_KEY}\n")
    sections = {"serving": {"write_keys_file": str(path)}, "events": {"max_future": "3650 d"}}
    with opened(kafka_place, redis_place, **sections) as client:
        for name, sent in ALL.items():
            before = kafka_place.ends()
            answer = client.post(sent.path, content=sent.body, headers=sent.headers)
            assert (name, answer.status_code) == (name, 200)
            assert answer.json()["accepted"] == len(sent.expected)
            assert answer.json().get("success", answer.json().get("status")) in (True, "Ok", 1)
            assert answer.json()["ignored"] == sent.ignored
            found = [json.loads(value)["event_id"] for _, value, _ in kafka_place.records(before)]
            assert sorted(found) == sorted(one["event_id"] for one in sent.expected)
        assert client.post("/batch", json={"batch": [], "api_key": "another-key-0000"}).status_code == 401


def test_what_was_erased_is_not_shown_from_the_workers_memory(kafka_place: KafkaServer, tmp_path: Path) -> None:
    """Redis, which would say that it is gone, is away."""
    with redis_server() as server:
        redis = server.start()
        redis.set("heliotrope:profile:erased", profile_of("erased"))
        redis.set("heliotrope:profile:other", profile_of("other"))
        with opened(kafka_place, server, serving={"data_dir": str(tmp_path), "metadata": False}) as client:

            def sources() -> list[str]:
                answers = (client.get(f"/v1/profile/{session}").json() for session in ("erased", "other"))
                return [answer["served"]["source"] for answer in answers]

            wait_until(lambda: sources() == ["profile", "profile"])
            answer = client.post("/v1/track", json={"session_id": "erased", "event_type": "erase"})
            assert answer.status_code == 202
            server.kill()
            assert sources() == ["static", "stale"]
