"""Every way to go on with kept state, one after the other on the same data; after each a TaskManager and a JobManager are killed.

The long form of tests/integration/test_resume.py, for `make faults`.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from cli.stack import control
from tests.golden import kept_shop
from tests.integration.conftest import Stack, connectors  # noqa: F401 (a fixture)
from tests.integration.shop import Shop, now_ms, open_shop
from tests.integration.test_resume import started

pytestmark = [pytest.mark.integration, pytest.mark.faults]
WAYS = (("savepoint", 1), ("savepoint", 2), ("checkpoint", 2), ("checkpoint", 1), ("checkpoint", 2), ("savepoint", 1))
"""From what it resumes, and with how many TaskManagers: the first start has one."""


@pytest.fixture
def workdir(tmp_path: Path, connectors: None) -> Iterator[Path]:  # noqa: F811
    yield tmp_path / "stack"
    control.stop_stack(tmp_path / "stack")


def end_with_a_savepoint(stack: Stack) -> None:
    assert control.stop_stack(stack.workdir, keep_data=True) is not None


def end_at_once(stack: Stack) -> None:
    """As if the machine had lost its power: what is left is the newest checkpoint."""
    family = [stack.record().supervisor, *stack.record().processes.values()]
    processes = [psutil.Process(one.pid) for one in family]
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=60)


ENDS: dict[str, Callable[[Stack], None]] = {"savepoint": end_with_a_savepoint, "checkpoint": end_at_once}


def kill(stack: Stack, name: str) -> None:
    """Once what it resumed from may be gone: Flink keeps two checkpoints."""
    before = stack.record().job.id
    numbers = stack.workdir / "data" / "checkpoints" / before
    newest = max((int(path.name[4:]) for path in numbers.glob("chk-*")), default=0)
    stack.wait_until(lambda: any(int(path.name[4:]) > newest + 3 for path in numbers.glob("chk-*")), 240)
    victim = stack.record().processes[name]
    os.kill(victim.pid, signal.SIGKILL)
    stack.wait_until(lambda: stack.record().processes[name].pid != victim.pid, 120)
    stack.wait_until(stack.is_running, 300)


def view_all(shop: Shop, inputs: dict[str, int], at_ms: int) -> None:
    """One more view of each session, which finds all that was counted before."""
    for number, session in enumerate(inputs):
        shop.send(session, timestamp=at_ms + number, **kept_shop.product(number % kept_shop.PRODUCTS))
        inputs[session] += 1
    for session, count in inputs.items():
        shop.profile_when(session, lambda found, n=count: sum(found["counts"].values()) == n)  # type: ignore[misc]


def test_every_resume_survives_the_next_failure(workdir: Path) -> None:
    base_ms = now_ms() - 2 * 3_600_000
    stack = started(workdir, 1, "flink.buckets=2")
    with open_shop(stack, keeps_products=True) as shop:
        inputs = kept_shop.fill(shop, base_ms)
        view_all(shop, inputs, base_ms + kept_shop.MINUTE_MS)
        dead = len(shop.records_when("dead_letters", lambda record: True, 3))
    for step, (origin, task_managers) in enumerate(WAYS, start=2):
        ENDS[origin](stack)
        stack = started(workdir, task_managers)
        with open_shop(stack, keeps_products=True) as shop:
            view_all(shop, inputs, base_ms + step * 10 * kept_shop.MINUTE_MS)
            for victim in ("taskmanager-1", "jobmanager"):
                kill(stack, victim)
                view_all(shop, inputs, base_ms + (step * 10 + len(victim) % 7) * kept_shop.MINUTE_MS)
            assert len(shop.records("dead_letters")) == dead
