"""Kept data goes on: data of the last release under this one, with more and fewer TaskManagers, and in another folder."""

import os
import signal
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.stack import control
from cli.stack.flink_rest import JOB_ID, FlinkRest
from cli.stack.layout import file_uri
from jobs.settings import load_settings
from state.model.sums import Sums
from tests.golden import kept_shop
from tests.golden.kept_shop import MINUTE_MS
from tests.integration.conftest import Stack
from tests.integration.shop import Shop, open_shop

GOLDEN = Path(__file__).parents[1] / "golden"
RELEASES = ("0.1.0",)
CHANGED = (
    "bandit.variants={weekly: {share: 0.3, policy: lin_ucb, half_life: 14 d}, greedy: {share: 0.2, policy: epsilon_greedy}}",
    "bandit.shards=2",
)
"""A variant more than in the kept data, another half-life, and fewer shards of the learner."""


@pytest.fixture
def folder(tmp_path: Path, connectors: None) -> Iterator[Path]:
    """Where work directories lie; each is stopped and removed at the end."""
    yield tmp_path
    for lock in tmp_path.glob("*/stack.lock"):
        control.stop_stack(lock.parent)


def started(workdir: Path, task_managers: int, *sets: str) -> Stack:
    settings = load_settings(None, [*kept_shop.SETTINGS, *sets, f"local.task_managers={task_managers}"], environ={})
    record = control.start_stack(settings, workdir)
    return Stack(record.kafka, record.redis, record.flink, workdir, control.job_settings(workdir), "embedded")


class KeptSessions:
    """The sessions of the kept data, and what must be true of them after each further round of views."""

    def __init__(self, expected: dict[str, Any]) -> None:
        self._before, self._rounds = expected["profiles"], 0
        self._at_ms = expected["closed_ms"] + 10 * MINUTE_MS
        self._impressions = dict.fromkeys(self._before, 0)

    def go_on(self, shop: Shop) -> None:
        """One more view of each; nothing of before is lost or counted twice."""
        self._rounds += 1
        for number, session in enumerate(self._before):
            self._at_ms += 100
            view = kept_shop.product(number % kept_shop.PRODUCTS)
            shop.send(session, timestamp=self._at_ms, event_id=f"{session}-again-{self._rounds}", **view)
        for session, before in self._before.items():
            more = self._rounds + self._impressions[session]
            found = shop.profile_of_version(session, before["version"] + more)
            counts = before["counts"] | {"applied": before["counts"]["applied"] + more}
            assert (found["generation"], found["counts"]) == (before["generation"], counts)
            # Of what was liked before, the latest event of all is still in the affinities, as the list has room for it.
            assert found["affinities"]["products"].keys() & before["affinities"]["products"].keys()

    def learn(self, shop: Shop, session: str) -> int:
        """The session sees items of its newest list, which close unrewarded; returns how many."""
        seen = shop.profile(session)
        assert seen is not None
        items = [item["product_id"] for item in seen["score_data"]][:4]
        self._at_ms += 100
        self._impressions[session] += 1  # an input as any other: it counts, and publishes nothing by itself
        shop.send(session, "impression", timestamp=self._at_ms, decision_id=seen["decision_id"], shown=items)
        return len(items)

    def close_exposures(self, shop: Shop) -> None:
        kept_shop.pass_by(shop, self._at_ms + 60 * MINUTE_MS, f"passer-of-round-{self._rounds}-{shop.session()}")


def savepoint_of(workdir: Path) -> Path:
    """The savepoint that the data names."""
    [name] = msgspec.json.decode((workdir / "data" / "resume.json").read_bytes(), type=list[str])
    return workdir / "data" / "savepoints" / Path(name).name


def kill_task_manager_once_the_savepoint_is_gone(stack: Stack, savepoint: Path) -> None:
    """Until Flink has removed the savepoint that it claimed, a restore cannot miss its files."""
    stack.wait_until(lambda: not (savepoint / "_metadata").exists(), 240)
    victim = stack.record().processes["taskmanager-1"]
    os.kill(victim.pid, signal.SIGKILL)
    stack.wait_until(lambda: stack.record().processes["taskmanager-1"].pid != victim.pid, 60)
    stack.wait_until(lambda: not stack.is_running(), 60)
    stack.wait_until(stack.is_running, 240)


def submit_from_a_savepoint_of_ones_own(stack: Stack, target: Path) -> None:
    """`submit --from` on a cluster whose own configuration has a log of changes, which such a job must do without."""
    rest, job = FlinkRest(stack.flink), stack.record().job.id
    trigger = rest.stop_with_savepoint(job, file_uri(target))
    stack.wait_until(lambda: rest.savepoint(job, trigger) is not None, 120)
    [savepoint] = target.iterdir()
    config = ("--config", str(stack.workdir / "run" / "heliotrope.yaml"))
    cluster = ("--jobmanager", stack.flink.removeprefix("http://"))
    answer = CliRunner().invoke(app, ["submit", *cluster, *config, "--from", str(savepoint)])
    assert answer.exit_code == 0, answer.output + str(answer.exception)
    assert f"resumed from {file_uri(savepoint)}" in answer.output.replace("\n", "")
    [running] = [one for one in JOB_ID.findall(answer.output) if one != job]
    stack.wait_until(lambda: rest.is_fully_running(running), 240)
    stack.wait_until(lambda: rest.completed_checkpoints(running) >= 3, 120)
    assert (savepoint / "_metadata").is_file(), "it is not the job's"


@pytest.mark.faults  # several starts of a stack: some minutes
@pytest.mark.parametrize("release", RELEASES)
def test_kept_data_of_a_release_goes_on_with_other_task_managers_and_in_another_folder(
    folder: Path, release: str
) -> None:
    expected = msgspec.json.decode((GOLDEN / f"stack-{release}.json").read_bytes())
    workdir = folder / "wörk"
    workdir.mkdir()
    with tarfile.open(GOLDEN / f"stack-{release}.tar.xz") as archive:
        archive.extractall(workdir, filter="data")
    (workdir / "stack.lock").touch()
    savepoint = savepoint_of(workdir)
    assert (savepoint / "_metadata").is_file()
    sessions = KeptSessions(expected)

    stack = started(workdir, 2, *CHANGED)
    with open_shop(stack, keeps_products=True) as shop:
        sessions.go_on(shop)
        kill_task_manager_once_the_savepoint_is_gone(stack, savepoint)
        sessions.go_on(shop)
        learned = expected["totals"][0] + sum(
            sessions.learn(shop, session) for session in list(expected["profiles"])[:6]
        )

        def has_learned() -> bool:
            sessions.close_exposures(shop)
            return bool(kept_shop.exposures(shop) >= learned)

        stack.wait_until(has_learned, 120)
        model = kept_shop.model(shop)
        assert model is not None
        sums = Sums.decode(model.sums)
        assert sums.totals.tolist() == [learned, *expected["totals"][1:]]
        assert np.linalg.eigvalsh(sums.a - np.array(expected["a"])).min() > -1e-6, "something of before was unlearned"
        np.testing.assert_allclose(sums.b, expected["b"], rtol=1e-9, atol=1e-9)
    assert control.stop_stack(workdir, keep_data=True) is not None
    assert [path.name for path in folder.iterdir()] == ["wörk"]

    moved = workdir.rename(folder / "moved")
    savepoint = savepoint_of(moved)
    stack = started(moved, 1)
    with open_shop(stack) as shop:
        sessions.go_on(shop)
        kill_task_manager_once_the_savepoint_is_gone(stack, savepoint)
        sessions.go_on(shop)
        submit_from_a_savepoint_of_ones_own(stack, folder / "kept-by-its-owner")
        sessions.go_on(shop)
        stack.wait_for(lambda: len(shop.records("dead_letters")), expected["dead_letters"])
    control.stop_stack(moved)
    assert sorted(path.name for path in moved.iterdir()) == ["logs", "stack.lock"]
