"""What the job has learned, after a savepoint and a SIGKILL, is the regression that its topics alone give."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.stack import control
from jobs.settings import load_settings
from tests.integration import learned
from tests.integration.conftest import Stack
from tests.integration.learned import decoded, is_exact, newest_model, reference
from tests.integration.shop import Shop, open_shop
from tests.integration.visitors import PRODUCTS, Habit, Visitor
from tests.reference.comparison import assert_equal

SETTINGS = ("kafka.partitions=2", "local.start_timeout=5 min", "flink.checkpoint_interval=1 s", *learned.SETTINGS)
HABITS: tuple[Habit, ...] = ("explicit", "explicit", "explicit", "implicit", "implicit", "late", "late", "late")


@pytest.fixture
def workdir(connectors: None, tmp_path: Path) -> Iterator[Path]:
    """Where a stack of this test's own runs: other tests erase, import models and roll them back."""
    yield tmp_path / "exact"
    control.stop_stack(tmp_path / "exact")


def started(workdir: Path) -> Stack:
    record = control.start_stack(load_settings(None, SETTINGS, environ={}), workdir)
    settings = control.job_settings(workdir)
    return Stack(record.kafka, record.redis, record.flink, workdir, settings, "embedded")


def rounds(shop: Shop, visitors: list[Visitor], count: int) -> None:
    for _ in range(count):
        for visitor in visitors:
            visitor.act(shop, visitor.look(shop))


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
