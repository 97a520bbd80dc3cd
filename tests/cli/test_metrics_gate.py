"""The place where Prometheus finds the local stack's metrics, by real HTTP."""

import json
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
import yaml

from cli.stack import flink_conf, metrics_gate
from cli.stack.layout import package_folder
from cli.stack.metrics_gate import (
    MOST_GROUPS,
    STALE_SECONDS,
    Groups,
    MetricsGate,
    merged,
    reporter_options,
    targets_file,
)
from cli.stack.ports import choose

SECRET = "s3cret"
APPLIED = "# HELP applied Events.\n# TYPE applied gauge\n"


@pytest.fixture
def url() -> Iterator[str]:
    port = choose(0, "local.metrics_port", set())
    gate = MetricsGate(port, SECRET, lambda: metrics_gate.stack_metrics({"redis": 2}))
    gate.start()
    yield f"http://127.0.0.1:{port}"
    gate.stop()


def call(url: str, method: str = "GET", body: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, data=None if body is None else body.encode(), method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, ""


def test_what_processes_send_is_served_together(url: str) -> None:
    for number in (1, 2):
        path = f"{url}/{SECRET}/metrics/job/heliotrope{number}"
        assert call(path, "PUT", f'{APPLIED}applied{{tm="{number}"}} {number}.0\n')[0] == 202
    status, text = call(f"{url}/metrics")
    assert status == 200
    assert text.count("# TYPE applied gauge") == 1
    assert 'applied{tm="1"} 1.0\napplied{tm="2"} 2.0\n' in text
    assert 'heliotrope_process_restarts{process="redis"} 2' in text
    assert call(f"{url}/{SECRET}/metrics/job/heliotrope1", "DELETE")[0] == 202
    assert 'tm="1"' not in call(f"{url}/metrics")[1]


def test_only_who_knows_the_secret_sends(url: str) -> None:
    for path in ("/metrics/job/x", "/wrong/metrics/job/x"):
        assert call(url + path, "PUT", "lie 1\n")[0] == 403
    assert "lie" not in call(f"{url}/metrics")[1]
    assert call(f"{url}/{SECRET}")[0] == 404


def test_too_much_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_gate, "MOST_BYTES", 10)
    assert call(f"{url}/{SECRET}/metrics/job/x", "PUT", "a" * 11)[0] == 413


def test_a_process_that_is_gone_is_forgotten_and_there_is_a_bound() -> None:
    now_s = 0.0
    groups = Groups(lambda: now_s)
    assert all(groups.put(str(number), "") for number in range(MOST_GROUPS))
    assert not groups.put("one more", "")
    now_s = STALE_SECONDS + 1
    assert groups.put("one more", "new")
    assert groups.texts() == ["new"]


def test_samples_of_a_name_stand_together() -> None:
    text = merged(["# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n", '# TYPE a gauge\na{x="2"} 2\n'])
    assert text.splitlines() == ["# TYPE a gauge", "a 1", 'a{x="2"} 2', "# TYPE b gauge", "b 1"]


def test_prometheus_and_flink_are_told_the_same_port() -> None:
    assert json.loads(targets_file(1234))[0]["targets"] == ["127.0.0.1:1234"]
    assert reporter_options(1234, SECRET)["metrics.reporter.prom.hostUrl"] == f"http://127.0.0.1:1234/{SECRET}"


def test_flink_has_the_reporter_that_is_named() -> None:
    shipped = yaml.safe_load((package_folder("conf") / "flink.yaml").read_text(encoding="utf-8"))
    assert not any(key.startswith("metrics.reporter") for key in shipped)
    jars = list((package_folder("pyflink") / "plugins" / flink_conf.PROMETHEUS_PLUGIN).glob("*.jar"))
    assert len(jars) == 1
    assert stat.S_ISREG(jars[0].stat().st_mode)
