"""What hangs is found out and replaced; what is merely slow is left alone."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from cli.stack import hung
from cli.stack.hung import HungWatch, registered_ports
from cli.stack.process import Keeper
from cli.stack.services import Service

LISTENING = """
import signal, socket
with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1], flush=True)
    signal.pause()
"""


class Clock:
    """Time as the test says."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def kept(tmp_path: Path, name: str, scenario: Callable[[Keeper, HungWatch, Clock], Awaitable[None]]) -> list[str]:
    """Runs a scenario with a real process that listens; the causes with which it was started again."""
    causes: list[str] = []

    async def run() -> None:
        service = Service(name, (sys.executable, "-c", LISTENING), str(tmp_path / f"{name}.log"))
        keeper = Keeper(service, dict(os.environ), lambda _, cause: causes.append(cause))
        clock = Clock()
        await keeper.start()
        task = asyncio.create_task(keeper.keep())
        try:
            await scenario(keeper, HungWatch({name: keeper}, set, clock), clock)
        finally:
            task.cancel()
            await keeper.stop()

    asyncio.run(run())
    return causes


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def status(keeper: Keeper) -> str:
    assert keeper.process is not None
    return psutil.Process(keeper.process.pid).status()


async def stopped(keeper: Keeper) -> int:
    """Stops its process; the pid."""
    assert keeper.process is not None
    os.kill(pid := keeper.process.pid, signal.SIGSTOP)
    await until(lambda: status(keeper) == psutil.STATUS_STOPPED)
    return pid


async def replaced(keeper: Keeper, pid: int) -> None:
    await until(lambda: keeper.process is not None and keeper.process.pid != pid)


def test_a_stopped_task_manager_is_replaced(tmp_path: Path) -> None:
    async def scenario(keeper: Keeper, watch: HungWatch, clock: Clock) -> None:
        pid = await stopped(keeper)
        watch.look_for_stopped()
        clock.now += hung.STOPPED_SECONDS - 0.1
        watch.look_for_stopped()
        assert status(keeper) == psutil.STATUS_STOPPED  # not yet
        clock.now += 0.2
        watch.look_for_stopped()
        await replaced(keeper, pid)

    assert kept(tmp_path, "taskmanager-1", scenario) == ["stopped by a signal for 2 s"]


def test_a_process_that_goes_on_in_time_is_left_alone(tmp_path: Path) -> None:
    async def scenario(keeper: Keeper, watch: HungWatch, clock: Clock) -> None:
        pid = await stopped(keeper)
        watch.look_for_stopped()
        os.kill(pid, signal.SIGCONT)
        await until(lambda: status(keeper) != psutil.STATUS_STOPPED)
        clock.now += 1.0
        watch.look_for_stopped()
        await stopped(keeper)
        clock.now += 1.5
        watch.look_for_stopped()
        os.kill(pid, signal.SIGCONT)

    assert kept(tmp_path, "taskmanager-1", scenario) == []


def test_a_stopped_redis_is_woken_and_keeps_its_data(tmp_path: Path) -> None:
    async def scenario(keeper: Keeper, watch: HungWatch, clock: Clock) -> None:
        await stopped(keeper)
        watch.look_for_stopped()
        clock.now += hung.STOPPED_SECONDS
        watch.look_for_stopped()
        await until(lambda: status(keeper) != psutil.STATUS_STOPPED)

    assert kept(tmp_path, "redis", scenario) == []


class Old:
    """Keepers of processes that are long past their start."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ports: dict[str, set[int]]) -> None:
        self.replaced: list[str] = []
        monkeypatch.setattr(hung, "_age", lambda keeper: 1_000.0)
        monkeypatch.setattr(hung, "_ports", lambda keeper: ports[keeper.service.name])
        self.keepers = {name: self._keeper(name) for name in ("jobmanager", *ports)}

    def _keeper(self, name: str) -> Keeper:
        keeper = Keeper(Service(name, (), ""), {}, lambda *told: None)
        keeper.replace = lambda cause: self.replaced.append(name)  # type: ignore[method-assign]
        return keeper


def test_a_task_manager_that_the_job_manager_lost_is_replaced_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    old, clock = Old(monkeypatch, {"taskmanager-1": {7001, 7002}, "taskmanager-2": {7003}}), Clock()
    watch = HungWatch(old.keepers, set, clock)
    for _ in range(4):
        watch.look_for_missing({7001})
        clock.now += hung.MISSING_SECONDS / 4
    assert old.replaced == []
    watch.look_for_missing({7001})
    assert old.replaced == ["taskmanager-2"]


def test_one_that_registers_again_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    old, clock = Old(monkeypatch, {"taskmanager-1": {7001}}), Clock()
    watch = HungWatch(old.keepers, set, clock)
    answers: tuple[set[int], ...] = (set(), {7001}, set(), {7001}, set())
    for ports in answers:
        watch.look_for_missing(ports)
        clock.now += hung.MISSING_SECONDS - 1
    assert old.replaced == []


def test_a_job_manager_that_does_not_answer_for_long_is_replaced_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, clock = Old(monkeypatch, {"taskmanager-1": {7001}}), Clock()
    watch = HungWatch(old.keepers, set, clock)
    watch.look_for_missing(None)
    clock.now += hung.UNANSWERED_SECONDS - 1
    watch.look_for_missing({7001})  # only busy
    watch.look_for_missing(None)
    clock.now += hung.UNANSWERED_SECONDS
    watch.look_for_missing(None)
    assert old.replaced == ["jobmanager"]


def test_what_is_young_may_still_be_starting(monkeypatch: pytest.MonkeyPatch) -> None:
    old, clock = Old(monkeypatch, {"taskmanager-1": {7001}}), Clock()
    monkeypatch.setattr(hung, "_age", lambda keeper: hung.YOUNG_SECONDS)
    watch = HungWatch(old.keepers, set, clock)
    answers: tuple[set[int] | None, ...] = (None, set(), None, set())
    for ports in answers:
        watch.look_for_missing(ports)
        clock.now += 1_000
    assert old.replaced == []


def test_ports_are_read_from_the_addresses_of_task_managers() -> None:
    class Rest:
        def task_manager_paths(self) -> list[str]:
            return [
                "pekko.tcp://flink@127.0.0.1:46501/user/rpc/taskmanager_0",
                "pekko.tcp://flink@[::1]:7001/user/rpc/taskmanager_0",
            ]

    assert registered_ports(Rest()) == {46501, 7001}  # type: ignore[arg-type]


def test_a_process_listens_where_it_says(tmp_path: Path) -> None:
    async def scenario(keeper: Keeper, watch: HungWatch, clock: Clock) -> None:
        out = tmp_path / "taskmanager-1.out"
        await until(lambda: out.exists() and out.read_text().endswith("\n"))
        assert hung._ports(keeper) == {int(out.read_text())}
        with socket.create_server(("127.0.0.1", 0)):
            assert hung._ports(keeper) == {int(out.read_text())}

    assert kept(tmp_path, "taskmanager-1", scenario) == []
