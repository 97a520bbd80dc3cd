"""`heliotrope explain` on the real stack: what it says of a session holds against what the job published and logged."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Stack
from tests.integration.shop import Shop, open_shop

ROOT = Path(__file__).parents[2]
PRODUCTS = tuple(f"explained-{i}" for i in range(12))
LIKED = "explained-kitchen"


@pytest.fixture(scope="module")
def shop(stack: Stack) -> Iterator[Shop]:
    with open_shop(stack) as opened:
        for i, product_id in enumerate(PRODUCTS):
            opened.product(product_id, category_id=LIKED, price=30.0 + i, rating=4.2, rating_count=12)
        seen = opened.session()
        stack.wait_until(lambda: _is_listed(opened, seen))
        yield opened


def _is_listed(shop: Shop, session: str) -> bool:
    """Events may overtake the catalogue."""
    shop.send(session, product_id=PRODUCTS[0], category_id=LIKED)
    profile = shop.profile(session)
    return profile is not None and {i["product_id"] for i in profile["score_data"]} >= set(PRODUCTS[1:])


def explain(stack: Stack, *arguments: str) -> str:
    command = [sys.executable, "-m", "cli.main", "explain", *arguments, "--workdir", str(stack.workdir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def explained(stack: Stack, session: str, *arguments: str) -> dict[str, Any]:
    return dict(json.loads(explain(stack, session, "--json", *arguments)))


def test_a_session_is_explained_from_its_events_to_what_is_left_out(shop: Shop, stack: Stack) -> None:
    session = shop.session()
    view = shop.send(session, product_id=PRODUCTS[0], category_id=LIKED, region="EU", device="phone")
    shop.raw(json.dumps(view).encode(), session.encode())
    shop.send(session, "add_to_cart", product_id=PRODUCTS[1], category_id=LIKED)
    shop.send(session, "feedback", product_id=PRODUCTS[2], feedback={"kind": "thumb", "value": -1})
    profile = shop.profile_when(
        session, lambda profile: profile["counts"] == {"applied": 3, "duplicates": 1, "dropped": 0}
    )
    shown = [item["product_id"] for item in profile["score_data"][:2]]
    shop.send(session, "impression", decision_id=profile["decision_id"], shown=shown)
    shop.send(session, product_id=PRODUCTS[3], category_id=LIKED)
    shop.raw(b'{"session_id": "%s", "event_type": "teleport", "timestamp": 1}' % session.encode(), session.encode())
    profile = shop.profile_of_version(session, 5)
    decision_id = profile["decision_id"]
    shop.records_when("decisions", lambda record: json.loads(record.value)["decision_id"] == decision_id)
    shop.records_when("outcomes", lambda r: r.key == session.encode(), len(shown))

    told = explained(stack, session, "--product", "explained-nowhere")
    assert told["profile"]["version"] == 5
    assert told["rebuilt"] == {"agrees": True, "differences": [], "missing": []}
    assert told["fates"] == {"used": 5, "duplicate": 1, "refused": 1}
    explanation = told["explanation"]
    assert [e["event_type"] for e in explanation["events"]] == [
        "product_view", "impression", "feedback", "add_to_cart", "product_view",
    ]  # fmt: skip
    affinities = {name: round(value, 4) for name, value in explanation["products"].items()}
    assert affinities == profile["affinities"]["products"]
    assert (explanation["region"], "device:phone" in explanation["moment"]) == (
        "EU",
        False,
    )  # the newest event told no device
    assert explanation["sources"]["own"] >= 1
    assert sum(explanation["sources"].values()) == len(explanation["contenders"])
    left_out = {each["product_id"]: each["reason"] for each in explanation["left_out"]}
    assert left_out[PRODUCTS[2]] == "thumb_down"
    assert left_out["explained-nowhere"] == "not_held"
    assert PRODUCTS[2] not in {each["product_id"] for each in explanation["contenders"]}
    assert [item["product_id"] for item in told["slate"]] == [item["product_id"] for item in profile["score_data"]]
    assert all(item["because"] for item in told["slate"])
    assert {item["terms_of"] for item in told["slate"]} == {
        "decision_log"
    }  # the tests' stack logs all that is published
    assert max(decision["seen"] for decision in told["decisions"]) == len(shown)


def test_a_person_reads_the_same(shop: Shop, stack: Stack) -> None:
    session = shop.session()
    shop.send(session, product_id=PRODUCTS[4], category_id=LIKED)
    shop.profile_of_version(session, 1)
    text = explain(stack, session)
    for part in (
        session,
        "cold: 1 events",
        "the very affinities and counts",
        f"{PRODUCTS[4]} +1.000",
        "candidates not in",
    ):
        assert part in " ".join(text.split()), part


def test_without_a_profile_the_fix_is_named(stack: Stack) -> None:
    command = [sys.executable, "-m", "cli.main", "explain", "nobody", "--workdir", str(stack.workdir)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=180, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().startswith("heliotrope: no profile of session nobody")
    assert done.stderr.count(b"\n") == 1
