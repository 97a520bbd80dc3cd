"""`heliotrope trace` on the real stack."""

import json
import uuid
from typing import Any

from typer.testing import CliRunner

from cli.errors import UserError
from cli.main import app
from tests.integration.conftest import Stack
from tests.integration.shop import open_shop


def traced(stack: Stack, event_id: str) -> dict[str, Any] | None:
    answer = CliRunner().invoke(app, ["trace", event_id, "--json", "--workdir", str(stack.workdir)])
    if isinstance(answer.exception, UserError):
        return None
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def fates(stack: Stack, event_id: str) -> list[str]:
    found = traced(stack, event_id)
    return [] if found is None else [record["fate"] for record in found["records"]]


def test_an_event_is_followed_to_its_profile_and_a_refused_one_to_its_reason(stack: Stack) -> None:
    good, bad = uuid.uuid4().hex, uuid.uuid4().hex
    with open_shop(stack) as shop:
        session = shop.session()
        for _ in range(2):
            shop.send(session, product_id="traced", event_id=good)
        shop.send(session, event_type="dance", event_id=bad)
        stack.wait_for(lambda: fates(stack, good), ["accepted", "duplicate"])
        stack.wait_for(lambda: fates(stack, bad), ["dead letter: unknown_event_type"])
        stack.wait_until(lambda: "after the event came" in (traced(stack, good) or {})["profile"])
    found = traced(stack, good)
    assert found is not None
    assert found["session_id"] == session


def test_an_event_that_never_came_is_said_so(stack: Stack) -> None:
    assert traced(stack, uuid.uuid4().hex) is None
