"""How a job is, as `status` says it: a JobManager that answers what real ones have answered."""

from typing import Any, cast

import pytest

from cli.stack.flink_rest import FlinkRest
from cli.stack.health import CALM_MS, LOOP_MS, Failure, judged_state, look_at

NOW = 10_000_000
FAILED = Failure(NOW - 5_000, "")


def failures(*ages_ms: int) -> list[Failure]:
    return [Failure(NOW - age_ms, "") for age_ms in ages_ms]


@pytest.mark.parametrize(
    ("state", "is_whole", "found", "judged"),
    [
        ("RUNNING", True, [], "RUNNING"),
        ("RUNNING", False, [], "INITIALIZING"),
        ("RUNNING", False, failures(2_000), "RESTARTING"),
        ("RUNNING", True, failures(2_000), "RUNNING"),  # one failure is over when all runs
        ("RUNNING", True, failures(2_000, 12_000, 22_000), "RESTARTING"),  # between two failures of a loop all runs
        ("RUNNING", True, failures(CALM_MS, 60_000, 70_000), "RUNNING"),
        ("RUNNING", True, failures(2_000, LOOP_MS, LOOP_MS), "RUNNING"),
        ("RESTARTING", False, failures(2_000), "RESTARTING"),
        ("FAILED", False, failures(2_000), "FAILED"),
    ],
)
def test_a_job_in_a_loop_is_never_running(state: str, is_whole: bool, found: list[Failure], judged: str) -> None:
    assert judged_state(state, is_whole, found, NOW) == judged


class JobManager:
    """Answers in place of a JobManager; the real one is asked in the integration tests."""

    def __init__(self, **metrics: list[int]) -> None:
        self.metrics = metrics
        self.failed: list[tuple[int, str]] = []
        self.checkpoint_ms = NOW - 3_000

    def job(self, job_id: str) -> dict[str, Any]:
        return {"jid": job_id, "state": "RUNNING", "vertices": []}

    def is_whole(self, job: dict[str, Any]) -> bool:
        return True

    def dated_failures(self, job_id: str) -> list[tuple[int, str]]:
        return self.failed

    def job_metric(self, job_id: str, name: str) -> int:
        return len(self.failed)

    def checkpoints(self, job_id: str) -> dict[str, Any]:
        return {
            "counts": {"failed": 1},
            "latest": {"completed": {"latest_ack_timestamp": self.checkpoint_ms}, "restored": None},
        }

    def checkpoint_interval_ms(self, job_id: str) -> int:
        return 10_000

    def named_metrics(self, job: dict[str, Any]) -> dict[str, list[int]]:
        return self.metrics


def look(manager: JobManager) -> Any:
    return look_at(cast(FlinkRest, manager), "id", NOW)


def test_what_is_well_is_ok() -> None:
    found = look(
        JobManager(event_lag_ms=[5, 9], last_answer_ms=[NOW - 70_000, 0], profiles_written=[3, 4], dead_letters=[2])
    )
    assert (found.health, found.reasons) == ("ok", [])
    assert (found.event_lag_ms, found.last_profile_age_ms, found.profiles_written, found.dead_letters) == (
        9,
        70_000,
        7,
        2,
    )
    assert (found.checkpoint_age_ms, found.checkpoints_failed) == (3_000, 1)


def test_a_profile_that_is_written_while_the_question_is_asked_is_of_now() -> None:
    assert look(JobManager(last_answer_ms=[NOW + 40])).last_profile_age_ms == 0


def test_a_loop_names_the_innermost_cause() -> None:
    manager = JobManager()
    causes = ("org.apache.flink.util.FlinkException: a task failed", "java.lang.Error: pemja", "UnicodeDecodeError: s")
    trace = "\n\tat x\nCaused by: ".join(causes)
    manager.failed = [(NOW - age_ms, trace) for age_ms in (1_000, 11_000, 21_000)]
    found = look(manager)
    assert (found.state, found.health, found.restarts) == ("RESTARTING", "failing", 3)
    assert found.reasons == ["the job is RESTARTING: UnicodeDecodeError: s"]


def test_events_that_wait_while_redis_takes_nothing_are_failing() -> None:
    found = look(JobManager(event_lag_ms=[120_000], last_answer_ms=[NOW - 110_000]))
    assert found.health == "failing"
    assert "no profile was written for 110 s" in found.reasons[0]


def test_a_backlog_and_an_old_checkpoint_are_degraded() -> None:
    manager = JobManager(event_lag_ms=[120_000], last_answer_ms=[NOW - 10])
    manager.checkpoint_ms = NOW - 200_000
    found = look(manager)
    assert found.health == "degraded"
    assert found.reasons[0].startswith("no checkpoint for 200 s")
    assert "120 s after they came" in found.reasons[1]
