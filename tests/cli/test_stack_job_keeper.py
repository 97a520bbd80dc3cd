"""A lost job is submitted again: at once when its JobManager died, and never twice."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from cli.stack.flink_rest import FlinkRest
from cli.stack.job_keeper import JobKeeper
from cli.stack.layout import prepare
from cli.stack.plan import Plan
from jobs.settings import load_settings


class Recorded(JobKeeper):
    """Submits without a cluster: notes it, and takes as long as the test wants."""

    def __init__(self, tmp_path: Path, state: str) -> None:
        plan = Plan("127.0.0.1:1", "redis://127.0.0.1:2/0", "http://127.0.0.1:3", "", [], "", True, True)
        settings, rest = load_settings(None, [], environ={}), FlinkRest(plan.flink)
        super().__init__(prepare(tmp_path / "w"), plan, settings, {}, lambda *told: None, rest)
        self.state, self.submitted, self.asked = state, 0, 0
        self.may_end = asyncio.Event()

    async def submit(self) -> str:
        self.submitted += 1
        await self.may_end.wait()
        return ""

    async def _state(self) -> str:
        self.asked += 1
        return self.state


def kept(keeper: Recorded, scenario: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        task = asyncio.create_task(keeper.keep())
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(30):
                await scenario()
        finally:
            task.cancel()

    asyncio.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_the_job_is_submitted_while_its_job_manager_starts(tmp_path: Path) -> None:
    keeper = Recorded(tmp_path, "UNREACHABLE")

    async def scenario() -> None:
        keeper.job_manager_died()
        await until(lambda: keeper.submitted == 1)
        assert keeper.asked == 0  # nobody waited for an answer

    kept(keeper, scenario)


def test_a_second_death_meanwhile_is_left_to_the_jobs_state(tmp_path: Path) -> None:
    keeper = Recorded(tmp_path, "RUNNING")

    async def scenario() -> None:
        keeper.job_manager_died()
        await until(lambda: keeper.submitted == 1)
        keeper.job_manager_died()  # the submission may still have reached the new one
        keeper.may_end.set()
        await until(lambda: keeper.asked == 2)
        assert keeper.submitted == 1
        keeper.state = ""  # it had not
        await until(lambda: keeper.submitted == 2)

    kept(keeper, scenario)


def test_a_job_manager_that_cannot_be_asked_has_lost_nothing(tmp_path: Path) -> None:
    keeper = Recorded(tmp_path, "UNREACHABLE")

    async def scenario() -> None:
        await until(lambda: keeper.asked == 2)
        assert keeper.submitted == 0

    kept(keeper, scenario)
