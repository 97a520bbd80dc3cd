"""The HTTP server's application before a real cluster."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from jobs.settings import settings_from
from serving.app import create_app
from serving.collection.consent import ConsentDoor
from serving.context import open_redis
from tests.redis_cluster import RedisCluster, redis_cluster
from tests.serving.collection.test_consent import event, word
from tests.serving.redis_data import list_of, profile_of
from tests.state.shop import settings

SESSIONS = [f"s{number}" for number in range(12)]
PATIENT = {"budget": "60 s", "slow_after": "60 s"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisCluster]:
    with redis_cluster() as running:
        for session in SESSIONS:
            key = f"heliotrope:profile:{session}"
            running.owner(key).client.set(key, profile_of(session))
        running.owner("heliotrope:popular:_all").client.set("heliotrope:popular:_all", list_of("_all"))
        yield running


def test_profiles_and_readiness(cluster: RedisCluster, tmp_path: Path) -> None:
    serving = {"reader": PATIENT, "data_dir": str(tmp_path), "metadata": False}
    configuration = settings_from(
        {"redis": {"url": cluster.url}, "kafka": {"bootstrap": "127.0.0.1:1"}, "serving": serving}
    )
    with TestClient(create_app(configuration)) as client:
        for session in SESSIONS:
            found = client.get(f"/v1/profile/{session}").json()
            assert (found["session_id"], found["served"]["source"]) == (session, "profile")
        assert client.get("/v1/profile/nobody").json()["served"]["source"] == "all"
        assert client.get("/readyz").json()["checks"]["redis"] == "ok"


def test_consent_is_remembered_wherever_its_slot_is(cluster: RedisCluster) -> None:
    configuration = settings(redis={"url": cluster.url}, consent={"default": "denied"})

    async def run() -> None:
        client = open_redis(configuration)
        door = ConsentDoor(configuration, client)
        await door.pass_on([word(session, 10, True) for session in SESSIONS])
        await door.pass_on([word(SESSIONS[0], 20, False)])
        found = await door.pass_on([event(session, 21) for session in SESSIONS])
        assert (len(found.events), found.withheld) == (len(SESSIONS) - 1, 1)
        await client.aclose()

    asyncio.run(run())
