"""The tools of the command line against the real stack."""

import base64
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import redis

from cli.delivery import Delivery
from cli.endpoints import Endpoints
from cli.options import Target
from tests.integration.conftest import Stack

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 180


def heliotrope(stack: Stack, *arguments: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a verb; its output must be free of control codes, as it is no terminal."""
    command = [sys.executable, "-m", "cli.main", *arguments, "--workdir", str(stack.workdir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, input=stdin, timeout=TIMEOUT_S, check=False)
    text = subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "\x1b" not in text.stdout + text.stderr
    return text


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def profile_of(stack: Stack, session_id: str) -> dict[str, Any] | None:
    client = redis.Redis.from_url(stack.redis)
    raw: Any = client.get(f"heliotrope:profile:{session_id}")
    client.close()
    return None if raw is None else dict(json.loads(raw))


def counts_of(stack: Stack, session_id: str) -> dict[str, int]:
    profile = profile_of(stack, session_id)
    return {} if profile is None else dict(profile["counts"])


def event(session_id: str, **fields: Any) -> dict[str, Any]:
    now_ms = int(time.time() * 1_000)
    return {"session_id": session_id, "event_type": "category_view", "category_id": "c", "timestamp": now_ms, **fields}


def dead_letters(stack: Stack) -> dict[str, int]:
    return dict(json.loads(succeeded(heliotrope(stack, "dead-letters", "--json", "--limit", "0")))["reasons"])


def reasons_without_key(stack: Stack, since_ms: int) -> list[str]:
    """Of dead letters of lines that name no session, as no other test sends them."""
    newest = json.loads(succeeded(heliotrope(stack, "dead-letters", "--json", "--limit", "1000")))["newest"]
    found = [letter for letter in newest if letter["key"] is None and letter["recorded_at"] >= since_ms]
    return sorted(letter["reason"] for letter in found)


def test_what_is_produced_is_applied_or_becomes_a_dead_letter(stack: Stack) -> None:
    begun_ms = int(time.time() * 1_000)
    lines = [json.dumps(event("tool-produce")).encode(), b"", b"no json", b"\xff\xfe", b"x" * 1_048_576]
    done = heliotrope(stack, "produce", "-", "--rate", "100", stdin=b"\n".join(lines) + b"\n")
    assert "events sent                 5" in succeeded(done)
    wanted = ["empty", "not_json", "not_utf8", "too_large"]
    stack.wait_for(lambda: reasons_without_key(stack, begun_ms), wanted)
    stack.wait_for(lambda: counts_of(stack, "tool-produce").get("applied"), 1)
    assert "tool-produce" in succeeded(heliotrope(stack, "profile", "tool-produce"))
    raw = json.loads(succeeded(heliotrope(stack, "profile", "tool-produce", "--json")))
    assert raw["session_id"] == "tool-produce"
    shown = succeeded(heliotrope(stack, "dead-letters", "--limit", "1000"))
    assert "\\xff\\xfe" in shown
    assert "1,048,576 bytes, 16,384 of them kept" in shown


def test_a_profile_that_is_not_there_is_an_error_of_one_line(stack: Stack) -> None:
    done = heliotrope(stack, "profile", "nobody")
    assert done.returncode == 1
    assert done.stderr.startswith("heliotrope: no profile of session nobody")
    assert done.stderr.count("\n") == 1


def test_a_dead_letter_is_sent_back_once(stack: Stack) -> None:
    payload = json.dumps(event("tool-resend")).encode()
    topics = stack.settings.kafka.topics
    letter = {
        "reason": "internal_error",
        "topic": topics.user_interactions,
        "payload_base64": base64.b64encode(payload).decode(),
        "payload_bytes": len(payload),
    }
    with Delivery(Target(stack.settings, Endpoints(stack.kafka, stack.redis, stack.flink))) as delivery:
        delivery.send(topics.dead_letters, json.dumps(letter).encode(), b"tool-resend")
    assert json.loads(succeeded(heliotrope(stack, "dead-letters", "--resend", "--json")))["sent"] >= 1
    stack.wait_until(lambda: counts_of(stack, "tool-resend").get("applied") == 1)
    succeeded(heliotrope(stack, "dead-letters", "--resend"))
    succeeded(heliotrope(stack, "produce", "-", stdin=json.dumps(event("tool-resend", category_id="d")).encode()))
    stack.wait_until(lambda: counts_of(stack, "tool-resend").get("applied") == 2)
    assert counts_of(stack, "tool-resend")["duplicates"] == 0


def test_every_row_of_a_replay_is_accounted_for(stack: Stack, tmp_path: Path) -> None:
    file = tmp_path / "clicks.csv"
    users = [f"tool-replay-{number}" for number in range(20)]
    rows = [f"{user},{item},{item % 3},pv,{1_511_658_000 + 60 * item}" for item in range(10) for user in users]
    file.write_text("\n".join([*rows, rows[0], f"{users[0]},1,1,pv,soon"]) + "\n")
    before = dead_letters(stack).get("wrong_type", 0)
    refused = heliotrope(stack, "replay", str(file), "--format", "taobao")
    assert refused.returncode == 1
    assert "--shift-to-now" in refused.stderr
    options = ("--shift-to-now", "--duplicate", "1", "--shuffle-within", "30000")
    shown = succeeded(heliotrope(stack, "replay", str(file), "--format", "taobao", *options))
    assert "unreadable time, sent as it is  1" in shown

    def total() -> dict[str, int]:
        counts = [counts_of(stack, user) for user in users]
        return {name: sum(count.get(name, 0) for count in counts) for name in ("applied", "duplicates", "dropped")}

    stack.wait_until(lambda: sum(total().values()) == 2 * 201)
    assert total() == {"applied": 200, "duplicates": 202, "dropped": 0}
    stack.wait_until(lambda: dead_letters(stack).get("wrong_type", 0) == before + 2)


def test_a_file_that_does_not_fit_is_stopped_and_one_that_fits_is_replayed(stack: Stack, tmp_path: Path) -> None:
    header = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
    rows = [f"2019-10-01 00:00:0{n} UTC,view,44600062,21,,acme,35.79,5,tool-zip\n" for n in range(5)]
    wrong = tmp_path / "wrong.csv"
    wrong.write_text((header + "".join(rows)).replace(",", ";"))
    before = dead_letters(stack)
    stopped = heliotrope(stack, "replay", str(wrong), "--format", "rees46", "--shift-to-now")
    assert stopped.returncode == 1
    assert '--delimiter ";"' in stopped.stderr
    assert stopped.stderr.count("\n") == 1
    packed = tmp_path / "2019-Oct.csv.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("2019-Oct.csv", header + "".join(rows))
    succeeded(heliotrope(stack, "replay", str(packed), "--format", "rees46", "--shift-to-now"))
    stack.wait_for(lambda: counts_of(stack, "tool-zip").get("applied"), 5)
    array = json.dumps([event("tool-array", category_id=f"c{n}") for n in range(3)], indent=2)
    assert "a JSON array" in succeeded(heliotrope(stack, "produce", "-", stdin=array.encode()))
    stack.wait_for(lambda: counts_of(stack, "tool-array").get("applied"), 3)
    assert dead_letters(stack) == before


def test_shoppers_click_more_on_heliotropes_lists_than_on_random_ones(stack: Stack) -> None:
    arguments = ("--duration", "40", "--sessions-per-second", "15", "--seed", "5", "--json")
    lines = succeeded(heliotrope(stack, "simulate", *arguments)).splitlines()
    summary = json.loads(lines[-1])
    assert summary["heliotrope"]["sessions"] > 50
    assert summary["ratio_to_uniform"] - 3 * summary["ratio_standard_error"] > 1
    assert summary["best"]["click_through"] > summary["heliotrope"]["click_through"]


def test_without_a_broker_the_fix_is_named(stack: Stack) -> None:
    done = heliotrope(stack, "catalog", "load", "conf/demo/catalogue.jsonl", "--set", "kafka.bootstrap=127.0.0.1:1")
    assert done.returncode == 1
    assert "heliotrope up" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "verb", ["produce", "replay", "catalog", "simulate", "profile", "explain", "dead-letters", "demo"]
)
def test_every_verb_has_help(verb: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", verb, "--help"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert b"Usage" in done.stdout
