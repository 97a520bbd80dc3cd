"""What Prometheus and Grafana are given: every metric exists, every alert has a runbook, and Prometheus' own checks pass."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.settings import settings_from
from operators.metrics import BESIDE, BY_NAME, METRICS, PROMETHEUS_PREFIX, Kind, prometheus_name
from serving.app import create_app
from serving.metrics import metrics_text

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docker" / "monitoring"
KNOWN = {prometheus_name(m) + ("_bucket" if m.kind == Kind.BUCKETS else ""): m for m in METRICS}
METRIC = re.compile(r"\b(?:flink|heliotrope|redis)_\w+\b")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((MONITORING / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    board = json.loads((MONITORING / "grafana" / "dashboards" / "heliotrope.json").read_text(encoding="utf-8"))
    return list(board["panels"])


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])


def test_every_metric_of_alerts_and_dashboard_exists() -> None:
    used = {name for query in queries() for name in METRIC.findall(query)}
    assert used - KNOWN.keys() - BESIDE.keys() == set()
    assert BESIDE.keys() - used == set(), "listed, but nothing uses them"


def test_every_metric_of_the_http_service_that_is_watched_is_one_that_it_gives_out(tmp_path: Path) -> None:
    create_app(settings_from({"kafka": {"bootstrap": "127.0.0.1:1"}, "serving": {"data_dir": str(tmp_path)}}))
    given = set(re.findall(r"^# TYPE (heliotrope_\w+) ", metrics_text(), re.MULTILINE))
    watched = {name for name in BESIDE if name.startswith("heliotrope_")} - {"heliotrope_process_restarts"}
    assert len(watched) == 7
    assert {name.removesuffix("_count") for name in watched} - given == set()


def test_what_is_counted_of_reads_and_refusals_is_there_before_the_first(tmp_path: Path) -> None:
    create_app(settings_from({"kafka": {"bootstrap": "127.0.0.1:1"}, "serving": {"data_dir": str(tmp_path)}}))
    read_errors = r'^heliotrope_http_requests_total\{method="GET",route="/v1/profile/[^"]*",status="500"\} '
    assert re.search(read_errors, metrics_text(), re.MULTILINE)
    assert re.search(r'^heliotrope_track_refused_total\{why="unavailable"\} ', metrics_text(), re.MULTILINE)


def test_the_list_of_metrics_names_the_alerts_that_watch_each() -> None:
    watched = {
        (KNOWN[name].name, rule["alert"]) for rule in rules() for name in METRIC.findall(rule["expr"]) if name in KNOWN
    }
    assert watched == {(metric.name, alert) for metric in METRICS for alert in metric.alerts}


def test_every_alert_has_a_runbook_and_there_is_none_without_an_alert() -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (\w+)$", text, re.MULTILINE) == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_no_panel_has_a_label_that_grows_with_sessions_or_products() -> None:
    grouped = {
        label for query in queries() for labels in re.findall(r"by \(([^)]*)\)", query) for label in labels.split(", ")
    }
    assert grouped <= {"le", "variant", "process", "operator_name"}
    assert BY_NAME["click_to_redis_ms"].kind == Kind.BUCKETS
    assert prometheus_name(BY_NAME["event_lag_ms"]).startswith(PROMETHEUS_PREFIX)


def test_what_the_issue_of_an_on_call_engineer_asks_for_is_on_the_dashboard() -> None:
    titles = " ".join(panel["title"] for panel in panels()).lower()
    for word in (
        "click to redis",
        "call time",
        "lag",
        "model age",
        "learning rate",
        "exploration",
        "reward",
        "checkpoint",
    ):
        assert word in titles
    for word in ("restarts", "retries", "state", "redis memory", "dead letters"):
        assert word in titles


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("check", "rules", "rules.yml"), ("test", "rules", "rules-test.yml")],
)
def test_prometheus_takes_the_files_and_alerts_fire(arguments: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed here")
    answer = subprocess.run((promtool, *arguments), cwd=MONITORING, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_every_alert_is_tested() -> None:
    text = (MONITORING / "rules-test.yml").read_text(encoding="utf-8")
    assert [rule["alert"] for rule in rules() if rule["alert"] not in text] == []
