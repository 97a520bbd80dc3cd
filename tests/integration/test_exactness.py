"""What the job has learned, after a savepoint and a SIGKILL, is the regression that its topics alone give."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cli.stack import control
from jobs.settings import load_settings
from operators.names import CHANGE_SUFFIX, MODEL_KEY
from state.change import LiveModel
from state.model import Snapshot
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, open_shop
from tests.integration.visitors import PRODUCTS, Habit, Visitor
from tests.reference.comparison import TOLERANCE, assert_equal, differences
from tests.reference.regression import Rules, Statistics, causes_in_log, regression

RULES = Rules(window_ms=8_000, disorder_ms=10_000, aggregate="first")
SETTINGS = (
    "kafka.partitions=2",
    "local.start_timeout=5 min",
    "flink.checkpoint_interval=1 s",
    "bandit.shards=3",
    "exposure.open_max=128",
    "exposure.implicit_dwell=0 ms",  # these visitors do not dwell
    f"reward.aggregate={RULES.aggregate}",
    f"reward.window={RULES.window_ms} ms",
    f"reward.disorder={RULES.disorder_ms} ms",
    "popularity.allowed_lateness=0 ms",
)
HABITS: tuple[Habit, ...] = ("explicit", "explicit", "explicit", "implicit", "implicit", "late", "late", "late")


@pytest.fixture
def workdir(connectors: None, tmp_path: Path) -> Iterator[Path]:
    """Where a stack of this test's own runs: other tests erase, import models and roll them back."""
    yield tmp_path / "exact"
    control.stop_stack(tmp_path / "exact")


def started(workdir: Path) -> Stack:
    record = control.start_stack(load_settings(None, SETTINGS, environ={}), workdir)
    settings = control.job_settings(workdir)
    return Stack(record.kafka, settings.redis.url, record.flink, workdir, settings, "embedded")


def rounds(shop: Shop, visitors: list[Visitor], count: int) -> None:
    for _ in range(count):
        for visitor in visitors:
            visitor.act(shop, visitor.look(shop))


def decoded(shop: Shop, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value) for record in shop.records(topic)]


def reference(shop: Shop) -> Statistics:
    decisions = decoded(shop, "decisions")  # first: whatever brought them about is among the events that are read later
    events = decoded(shop, "user_interactions")
    return regression(events, decisions, RULES, causes_in_log(events, decisions))


def newest_model(shop: Shop) -> Snapshot | None:
    live = LiveModel()
    for record in shop.records("bandit_model"):
        if record.key in (MODEL_KEY, MODEL_KEY + CHANGE_SUFFIX):
            live.take(record.value)
    return live.newest


def is_exact(shop: Shop) -> bool:
    """Moves event time on with passers-by, who see nothing, and compares."""
    for _ in range(8):
        shop.send(shop.session(), "search", query="the time")
    model, expected = newest_model(shop), reference(shop)
    if model is None or not expected.exposures:  # the topics have not come in yet
        return False
    return max(differences(model, expected).values()) <= TOLERANCE


def test_the_topics_alone_give_the_models_sums_across_a_savepoint_and_a_sigkill(workdir: Path) -> None:
    visitors = [Visitor(habit, seed) for seed, habit in enumerate(HABITS)]
    stack = started(workdir)
    with open_shop(stack, keeps_products=True) as shop:
        for number in range(PRODUCTS):
            shop.product(f"thing-{number}", category_id=f"shelf-{number % 3}", price=5.0 + number)
        for visitor in visitors:
            visitor.act(shop, None)
        rounds(shop, visitors, 4)
    assert control.stop_stack(workdir, keep_data=True) is not None

    stack = started(workdir)
    with open_shop(stack) as shop:
        rounds(shop, visitors, 3)
        read = [visitor.look(shop) for visitor in visitors]
        os.kill(stack.record().processes["taskmanager-1"].pid, signal.SIGKILL)
        for visitor, profile in zip(visitors, read, strict=True):
            visitor.act(shop, profile)  # to a job that is down: what this profile says may be rolled back
        rounds(shop, visitors, 3)
        with suppress(AssertionError):  # what differs is said below
            stack.wait_until(lambda: is_exact(shop), 120)
        model, expected = newest_model(shop), reference(shop)
        assert model is not None
        assert_equal(model, expected)
        kinds = {decision["exposure"] for decision in decoded(shop, "decisions")}
        assert kinds == {"explicit", "implicit"}
        shop.records_when("outcomes", lambda record: json.loads(record.value)["kind"] == "retract")
        assert expected.reward > 0
