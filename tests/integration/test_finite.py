"""The whole graph on finite files, without Kafka and Redis, in one JVM."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cli.stack.java import find_java_home
from jobs.streams.ends import Source

VIEWS = 12


def line(key: str, payload: bytes, offset: int) -> str:
    """A record as the file source reads it."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    record = {"origin_key": base64.b64encode(key.encode()).decode(), "payload": base64.b64encode(payload).decode()}
    return json.dumps(record | {"partition": 0, "offset": offset, "record_time": at}) + "\n"


def event(number: int, now_ms: int) -> bytes:
    """A view in one of three sessions of a region, the sessions of users."""
    fields = {"event_type": "product_view", "product_id": f"p{number % 4}", "category_id": "c", "region": "EU"}
    who = {"session_id": f"s{number % 3}", "user_id": f"u{number % 3}"}
    return json.dumps(who | fields | {"event_id": f"e{number}", "timestamp": now_ms - 60_000 + number}).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the job made of the files."""
    folder = tmp_path_factory.mktemp("finite")
    now_ms = int(time.time() * 1_000)
    for name in Source._fields:
        (folder / f"{name}.jsonl").touch()
    events = [event(number, now_ms) for number in range(VIEWS)]
    payloads = [*events, events[0], b"no JSON"]
    (folder / "events.jsonl").write_text("".join(line("k", payload, at) for at, payload in enumerate(payloads)))
    products = [json.dumps({"product_id": f"p{at}", "category_id": "c"}).encode() for at in range(4)]
    (folder / "products.jsonl").write_text("".join(line(f"p{at}", data, at) for at, data in enumerate(products)))
    environment = os.environ | {
        "JAVA_HOME": str(find_java_home("")),
        "PYTHONPATH": ":".join([str(Path(__file__).parents[2]), *filter(None, sys.path)]),
    }
    program = [sys.executable, "-m", "tests.integration.finite", str(folder)]
    answer = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=600)
    assert answer.returncode == 0, answer.stdout[-4_000:] + answer.stderr[-4_000:]
    return folder


def written(folder: Path, sink: str) -> list[dict[str, Any]]:
    """The rows of a sink, with bytes decoded."""
    files = [path for path in (folder / "out" / sink).rglob("*") if path.is_file() and not path.name.startswith(".")]
    rows = [json.loads(row) for path in files for row in path.read_bytes().splitlines()]
    return [
        row | {name: base64.b64decode(row[name]) for name in ("k", "v") if row.get(name) is not None} for row in rows
    ]


def test_every_event_is_in_a_profile_or_a_dead_letter(folder: Path) -> None:
    profiles = [json.loads(row) for row in (folder / "profiles.jsonl").read_bytes().splitlines()]
    newest = {profile["session_id"]: profile for profile in sorted(profiles, key=lambda one: one["version"])}
    assert newest.keys() == {"s0", "s1", "s2"}
    assert sum(profile["counts"]["applied"] for profile in newest.values()) == VIEWS
    assert sum(profile["counts"]["duplicates"] for profile in newest.values()) == 1
    [letter] = [json.loads(row["v"]) for row in written(folder, "log") if row["topic"] == "dead_letters"]
    assert base64.b64decode(letter["payload_base64"]) == b"no JSON"


def test_the_catalogue_reaches_its_topic(folder: Path) -> None:
    keys = {row["k"] for row in written(folder, "candidate_lists")}
    assert b"category/c" in keys, keys


def test_what_is_popular_is_counted_at_the_end_of_event_time(folder: Path) -> None:
    lists = [json.loads(row) for row in (folder / "lists.jsonl").read_bytes().splitlines()]
    counted = {item["product_id"]: item["count"] for one in lists if one["region"] == "EU" for item in one["items"]}
    assert counted == {f"p{at}": VIEWS // 4 for at in range(4)}
    assert b"EU" in {row["k"] for row in written(folder, "popularity")}
