"""A real Chromium, a real Redis and the job's way into it, for tests that click through a page.

Import the fixtures that a module needs; a machine without Playwright or Chromium skips its tests and says so.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from tests.redis_server import RedisServer, redis_server
from tests.serving.redis_data import profile_of

PATIENT_MS = 60_000


@pytest.fixture(scope="module")
def place() -> Iterator[RedisServer]:
    with redis_server() as server:
        server.start()
        yield server


@pytest.fixture(scope="module")
def job(place: RedisServer) -> Iterator[redis.Redis]:
    """The job's way into Redis."""
    with redis.Redis.from_url(place.url) as client:
        yield client


@pytest.fixture(scope="module")
def chromium(browser: Any) -> Any:
    """The one Chromium of this folder: Playwright's loop cannot run twice in a thread."""
    return browser


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context()
    context.set_default_timeout(PATIENT_MS)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def publish(job: redis.Redis, session_id: str, version: int, *products: str) -> None:
    """Write a profile as the job does, with the news of it."""
    items = [
        {"product_id": product, "score": 0.5, "reasons": [{"code": "popular", "share": 1.0}]} for product in products
    ]
    trending = [{"product_id": "audio-05", "region": "EU", "count": 9, "score": 0.1}]
    bundles = [{"primary_product": "audio-01", "bundle_items": ["audio-02"], "discount": 0.15, "score": 0.2}]
    now_ms = int(time.time() * 1_000)
    profile = profile_of(
        session_id,
        version,
        score_data=items,
        updated_at=now_ms,
        trending_recommendations=trending,
        bundled_discount_suggestions=bundles,
    )
    job.set(f"heliotrope:profile:{session_id}", profile)
    notice = {"session_id": session_id, "version": version, "updated_at": now_ms}
    job.publish("heliotrope:profile-updated", json.dumps(notice))


def sent(request: Any, event_type: str) -> list[dict[str, Any]]:
    """The events of a type in one request of the module."""
    return [event for event in json.loads(request.post_data)["events"] if event["event_type"] == event_type]


def sends(request: Any, event_type: str) -> bool:
    return "/v1/track" in request.url and request.method == "POST" and bool(sent(request, event_type))
