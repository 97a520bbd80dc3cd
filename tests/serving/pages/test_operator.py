"""The operator's page: who gets in, and what it reads."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis
from starlette.testclient import TestClient

from jobs.errors import SecretError
from serving.app import create_app
from serving.pages.operator.figures import job_figures, server_figures
from state.configuration import Settings
from tests.redis_server import RedisServer

TOKEN = "a-token-of-more-than-16-characters"
READS = ["/admin", "/admin/figures", "/admin/dead-letters", "/admin/session?id=x"]
P = "flink_taskmanager_job_task_operator_"
TEXT = f"""# HELP {P}events_applied it
# TYPE {P}events_applied gauge
{P}events_applied{{task="a",host="x"}} 10.0
{P}events_applied{{task="b",host="x"}} 5.0
{P}model_version_ms{{task="a"}} 1000.0
{P}model_version_ms{{task="b"}} 2000.0
{P}dead_letters{{task="a"}} 3.0
{P}dead_letters_not_json{{task="a"}} 2.0
{P}variant_exposures{{variant="we\\"ekly",task="a"}} 4.0
{P}le_click_to_redis_ms_bucket{{le="10",task="a"}} 1.0
{P}le_click_to_redis_ms_bucket{{le="10",task="b"}} 1.0
{P}le_click_to_redis_ms_bucket{{le="+Inf",task="b"}} 4.0
{P}exposures{{task="a"}} NaN
{P}exposures{{task="a"}} no number
no line of Prometheus
"""


def opened(settings: Settings, client: tuple[str, int] = ("127.0.0.1", 1), **changes: Any) -> TestClient:
    """A client of an application that has its own settings; nothing of it is started unless the client is entered."""
    serving = msgspec.structs.replace(settings.serving, **changes)
    app = create_app(msgspec.structs.replace(settings, serving=serving))
    return TestClient(app, "http://127.0.0.1:8080", client=client, raise_server_exceptions=False)


@pytest.mark.parametrize("path", READS)
def test_it_opens_for_this_machine_only(settings: Settings, path: str) -> None:
    assert opened(settings, ("192.0.2.7", 1)).get(path).status_code == 403
    assert opened(settings).get("/admin").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"host": "shop.example"},
        {"host": "127.0.0.1.evil.example"},
    ],
)
def test_a_proxy_or_a_name_of_another_site_is_not_this_machine(settings: Settings, headers: dict[str, str]) -> None:
    assert opened(settings).get("/admin", headers=headers).status_code == 403


@pytest.mark.parametrize("path", READS)
def test_with_a_token_all_show_it(settings: Settings, tmp_path: Path, path: str) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    basic = b64encode(f"operator:{TOKEN}".encode()).decode()
    client = opened(settings, ("192.0.2.7", 1), admin_token_file=str(file))
    for shown in ("", "Bearer", f"Bearer {TOKEN}x", "Basic ???", f"Basic {b64encode(TOKEN.encode()).decode()}"):
        answer = client.get(path, headers={"authorization": shown})
        assert (answer.status_code, "Basic" in answer.headers["www-authenticate"]) == (401, True), shown
    for shown in (f"Bearer {TOKEN}", f"Basic {basic}"):
        assert client.get("/admin", headers={"authorization": shown}).status_code == 200


def test_a_short_or_missing_token_stops_the_start(settings: Settings, tmp_path: Path) -> None:
    short = tmp_path / "short"
    short.write_text("secret")
    for file in (short, tmp_path / "nothing"):
        serving = msgspec.structs.replace(settings.serving, admin_token_file=str(file))
        with pytest.raises(SecretError, match=r"serving\.admin_token_file"):
            create_app(msgspec.structs.replace(settings, serving=serving))


def test_the_jobs_figures_are_added_up_over_tasks() -> None:
    found = job_figures(TEXT)
    assert found["sums"]["events_applied"] == 15
    assert found["sums"]["exposures"] == 0
    assert found["largest"]["model_version_ms"] == 2000
    assert found["reasons"] == {"not_json": 2}
    assert found["latency"] == {"10": 2, "+Inf": 4}
    assert [each["exposures"] for each in found["variants"].values()] == [4]


def test_labels_without_end_are_cut() -> None:
    lines = [f'{P}variant_exposures{{variant="v{number}"}} 1.0' for number in range(1_000)]
    assert len(job_figures("\n".join(lines))["variants"]) == 64


def test_the_servers_figures_leave_streams_and_this_page_out() -> None:
    text = """heliotrope_http_requests_total{method="GET",route="/p",status="200"} 3.0
heliotrope_http_requests_total{method="GET",route="/admin/figures",status="200"} 9.0
heliotrope_http_requests_total{method="GET",route="/v1/stream/{session_id}",status="200"} 9.0
heliotrope_http_request_seconds_bucket{le="0.01",route="/p"} 2.0"""
    assert server_figures(text) == {"statuses": {"200": 3}, "latency": {"0.01": 2}}


def test_figures_come_once_and_say_when_the_job_is_not_seen(settings: Settings) -> None:
    with opened(settings, job_metrics="http://127.0.0.1:1/") as client:
        (point,) = client.get("/admin/figures").json()
        assert point["job"] is None
        assert "does not answer" in point["trouble"]
        assert client.get(f"/admin/figures?after={point['at']}").json() == []
        assert client.get("/admin/figures?after=x").json()[0] == point


def test_a_session_is_told_in_words(settings: Settings, redis_place: RedisServer) -> None:
    reasons = [{"code": "category_affinity", "category_id": "audio", "share": 0.7}]
    items = [{"product_id": "audio-01", "score": 0.5, "propensity": 0.9, "explored": True, "reasons": reasons}]
    profile = {"session_id": "<b>", "version": 3, "status": "warming", "score_data": items}
    with Redis.from_url(redis_place.url) as redis:
        redis.set("heliotrope:profile:<b>", json.dumps(profile))
        redis.set("heliotrope:profile:broken", "no JSON")
    with opened(settings) as client:  # one event loop for all: connections to Redis are kept
        found = client.get("/admin/session", params={"id": "<b>"}).json()
        assert (found["session_id"], found["version"]) == ("<b>", 3)
        (item,) = found["items"]
        assert (item["title"], item["how"]) == ("Studio Microphone", "explored")
        assert item["because"] == [{"text": "because you like audio", "share": 0.7}]
        for wrong, status in (("nobody", 404), ("broken", 404), ("", 400), ("x" * 129, 400)):
            assert client.get("/admin/session", params={"id": wrong}).status_code == status


def test_without_a_broker_dead_letters_say_so(settings: Settings) -> None:
    answer = opened(settings).get("/admin/dead-letters")
    assert (answer.status_code, "Kafka does not answer" in answer.json()["detail"]) == (503, True)


def test_the_storefronts_write_key_is_the_one_of_its_name(settings: Settings, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# keys\nother 0123456789abcdef-other\nstorefront 0123456789abcdef-mine\n")
    page = opened(settings, write_keys_file=str(keys)).get("/").text
    assert 'data-write-key="0123456789abcdef-mine"' in page
    assert "0123456789abcdef-other" not in page
