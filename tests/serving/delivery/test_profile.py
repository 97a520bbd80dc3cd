"""`GET /v1/profile/{session_id}` in this process, before a real Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from jobs.settings import settings_from
from serving.app import create_app
from serving.metadata.store import Change, Writer
from serving.reader import AsyncProfileReader
from tests.serving.reader.servers import Shop, shop
from tests.serving.redis_data import FIELDS, NOW_MS, list_of

PATIENT = {"budget": "60 s", "slow_after": "60 s"}
"""What a busy machine does not exceed, where an answer will come."""


@pytest.fixture(scope="module")
def data() -> Iterator[Shop]:
    with shop() as found:
        yield found


def settings_of(data: Shop, folder: Path, **serving: Any) -> dict[str, Any]:
    reader = {"reader": PATIENT, "data_dir": str(folder), "metadata": False}
    return {"redis": {"url": data.url}, "kafka": {"bootstrap": "127.0.0.1:1"}, "serving": {**reader, **serving}}


@pytest.fixture(scope="module")
def client(data: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = settings_from(settings_of(data, tmp_path_factory.mktemp("serving")))
    with TestClient(create_app(settings), raise_server_exceptions=False) as found:
        yield found


def test_a_profile_comes_as_it_stands_with_where_it_comes_from(client: TestClient) -> None:
    answer = client.get("/v1/profile/s0")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "private, no-cache"
    profile = answer.json()
    assert set(profile) == FIELDS | {"served"}
    assert (profile["session_id"], profile["served"]["source"]) == ("s0", "profile")
    assert set(profile["served"]) == {"source", "age_ms", "waited_ms"}


def test_an_unknown_session_gets_the_list_of_its_region(client: TestClient) -> None:
    profile = client.get("/v1/profile/nobody", params={"region": "EU"}).json()
    assert set(profile) == FIELDS | {"served"}
    assert (profile["served"]["source"], profile["served"]["reason"]) == ("region", "no_profile")
    assert profile["score_data"][0]["product_id"] == "EU-best"
    assert client.get("/v1/profile/nobody", params={"region": "XX"}).json()["served"]["source"] == "all"


def test_an_erased_session_gets_the_list_of_its_region(client: TestClient, data: Shop) -> None:
    data.put("gone")
    assert client.get("/v1/profile/gone?region=EU").json()["served"]["source"] == "profile"
    data.client.delete("heliotrope:profile:gone")
    assert client.get("/v1/profile/gone?region=EU").json()["served"]["source"] == "region"


@pytest.mark.parametrize("session_id", ["a/b", "é ü", "?", "#", "<script>", '"quoted"', "x" * 128, "日本"])
def test_every_session_id_that_an_event_may_have_is_read(client: TestClient, data: Shop, session_id: str) -> None:
    data.put(session_id)
    profile = client.get(f"/v1/profile/{quote(session_id, safe='')}").json()
    assert (profile["session_id"], profile["served"]["source"]) == (session_id, "profile")
    unknown = client.get(f"/v1/profile/{quote(session_id[:127], safe='')}-").json()
    assert unknown["session_id"] == f"{session_id[:127]}-"


def test_a_limit_shortens_the_list(client: TestClient) -> None:
    for path in ("/v1/profile/s0", "/v1/profile/nobody"):
        assert len(client.get(path, params={"limit": 2}).json()["score_data"]) == 2
        assert len(client.get(path, params={"limit": 100}).json()["score_data"]) == 3


def test_a_client_that_has_the_content_is_told_so(client: TestClient, data: Shop) -> None:
    data.put("tagged")
    first = client.get("/v1/profile/tagged")
    tag = first.headers["etag"]
    for named in (tag, tag.removeprefix("W/"), f'"x", {tag}', "*"):
        again = client.get("/v1/profile/tagged", headers={"if-none-match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "private, no-cache"
    for named in ('"x"', "nonsense", ""):
        assert client.get("/v1/profile/tagged", headers={"if-none-match": named}).status_code == 200
    data.put("tagged", version=2)
    changed = client.get("/v1/profile/tagged", headers={"if-none-match": tag})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)


def test_a_head_has_the_headers_of_a_get(client: TestClient) -> None:
    head, got = client.head("/v1/profile/s0"), client.get("/v1/profile/s0")
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", got.headers["etag"])


def test_a_read_that_waits_gets_what_there_is_when_its_time_is_over(client: TestClient) -> None:
    for params in ({"min_version": 99}, {"since_ms": NOW_MS + 1}):
        served = client.get("/v1/profile/s0", params={**params, "wait_ms": 1}).json()["served"]
        assert (served["source"], served["reason"]) == ("profile", "not_yet")
    served = client.get("/v1/profile/s0", params={"min_version": 1, "since_ms": NOW_MS - 100, "wait_ms": 1}).json()[
        "served"
    ]
    assert "reason" not in served


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.5", "limit"),
        ("limit=%D9%A1", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("min_version=x", "min_version"),
        ("since_ms=1e3", "since_ms"),
        ("wait_ms=+1", "wait_ms"),
        ("budget_ms=soon", "budget_ms"),
        ("region=" + "x" * 129, "region"),
        ("region=a%00b", "region"),
        ("region=a%0Ab", "region"),
        ("metadata=yes", "metadata"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(client: TestClient, query: str, field: str) -> None:
    answer = client.get(f"/v1/profile/s0?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (answer.json()["field"], answer.json()["status"]) == (field, 400)


@pytest.mark.parametrize("session_id", ["a%00b", "a%0D%0Ab", "%7F", "x" * 129, "%C2%85"])
def test_what_is_no_session_id_is_refused(client: TestClient, session_id: str) -> None:
    answer = client.get(f"/v1/profile/{session_id}")
    assert (answer.status_code, answer.json()["field"]) == (400, "session_id")


@pytest.mark.parametrize(
    "query", ["", "limit=", "region=", "metadata=0", "foo=bar", "%ff=%fe", "&&&", "region=%ff", "budget_ms=0"]
)
def test_what_can_be_read_is_answered(client: TestClient, query: str) -> None:
    assert client.get(f"/v1/profile/s0?{query}").status_code == 200


def test_foreign_values_are_no_error(client: TestClient, data: Shop) -> None:
    data.client.rpush("heliotrope:profile:foreign", "x")
    data.client.set("heliotrope:profile:garbage", b'{"a":\xff')
    assert client.get("/v1/profile/foreign").json()["served"]["reason"] == "no_profile"
    assert client.get("/v1/profile/garbage").json()["served"]["reason"] == "not_a_profile"


def test_a_fault_of_our_own_is_answered_by_the_static_list(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(AsyncProfileReader, "answer", fail)
    answer = client.get("/v1/profile/s0")
    assert answer.status_code == 200
    assert (answer.json()["served"]["source"], answer.json()["served"]["reason"]) == ("static", "internal_error")


def test_metrics_tell_sources_and_reasons(client: TestClient) -> None:
    client.get("/v1/profile/s0")
    client.get("/v1/profile/nobody")
    text = client.get("/metrics").text
    assert 'heliotrope_profile_seconds_count{source="profile"}' in text
    assert 'heliotrope_profile_reasons_total{reason="no_profile"}' in text
    assert 'heliotrope_reader_events_total{event="batches"}' in text


def test_items_get_what_a_page_shows_of_them_if_it_is_asked_for(data: Shop, tmp_path: Path) -> None:
    writer = Writer(tmp_path / "products.sqlite")
    writer.apply([Change("p2", b'{"title":"<b>Two</b>","url":"/p/2"}'), Change("EU-best", b'{"price":5.0}')], {0: 1})
    writer.close()
    with TestClient(create_app(settings_from(settings_of(data, tmp_path)))) as client:
        plain, rich = client.get("/v1/profile/s0"), client.get("/v1/profile/s0?metadata=1&limit=2")
        listed = client.get("/v1/profile/nobody?region=EU&metadata=1").json()
    assert ["title" in item for item in plain.json()["score_data"]] == [False] * 3
    first, second = rich.json()["score_data"]
    assert ("title" in first, second["title"], second["url"]) == (False, "<b>Two</b>", "/p/2")
    assert rich.headers["etag"] != plain.headers["etag"]
    assert (listed["served"]["source"], listed["score_data"][0]["price"]) == ("region", 5.0)


def test_a_session_may_need_a_token(data: Shop, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("x" * 40)
    guarded = settings_of(data, tmp_path, session_tokens=True, session_tokens_file=str(secrets))
    with TestClient(create_app(settings_from(guarded))) as client:
        assert client.get("/v1/profile/s0").status_code == 401


def test_a_start_without_redis_shows_the_list_of_the_last_run(data: Shop, tmp_path: Path) -> None:
    settings = settings_of(data, tmp_path)
    with TestClient(create_app(settings_from(settings))) as client:
        client.get("/v1/profile/nobody")
    assert (tmp_path / "popular.json").read_bytes() == list_of("_all")
    settings["redis"] = {"url": f"unix://{tmp_path}/none.sock"}
    with TestClient(create_app(settings_from(settings))) as client:
        profile = client.get("/v1/profile/nobody").json()
    assert (profile["served"]["source"], profile["score_data"][0]["product_id"]) == ("static", "_all-best")
