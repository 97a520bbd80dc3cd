"""What the one-shot `submit` service decides: whether to submit, and from which snapshot."""

import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def submit() -> ModuleType:
    spec = spec_from_file_location("docker_submit", Path(__file__).parents[2] / "docker" / "submit.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def snapshot(folder: Path, seconds: int, complete: bool = True) -> Path:
    folder.mkdir(parents=True)
    if complete:
        (folder / "_metadata").write_bytes(b"")
        os.utime(folder / "_metadata", (seconds, seconds))
    return folder


def test_nothing_to_resume_from(submit: ModuleType, tmp_path: Path) -> None:
    assert submit.newest_snapshot(tmp_path) is None


def test_the_newest_complete_snapshot_of_any_job_is_taken(submit: ModuleType, tmp_path: Path) -> None:
    snapshot(tmp_path / "checkpoints" / "aa" / "chk-9", 100)
    newest = snapshot(tmp_path / "checkpoints" / "bb" / "chk-2", 200)
    snapshot(tmp_path / "checkpoints" / "bb" / "chk-3", 300, complete=False)
    assert submit.newest_snapshot(tmp_path) == newest
    stopped = snapshot(tmp_path / "savepoints" / "savepoint-bb-1", 400)
    assert submit.newest_snapshot(tmp_path) == stopped


@pytest.mark.parametrize(
    ("state", "live"), [("RUNNING", True), ("RESTARTING", True), ("CANCELED", False), ("FAILED", False)]
)
def test_a_job_that_has_not_ended_is_left_alone(submit: ModuleType, state: str, live: bool) -> None:
    overview = [{"jid": "other", "name": "another", "state": "RUNNING"}]
    overview.append({"jid": "ours", "name": submit.JOB_NAME, "state": state})
    assert submit.live_job(overview) == ("ours" if live else None)


def test_the_name_is_the_jobs_own(submit: ModuleType) -> None:
    source = (Path(__file__).parents[2] / "jobs" / "personalize.py").read_text(encoding="utf-8")
    assert f'"{submit.JOB_NAME}"' in source


def test_the_command_claims_the_snapshot(submit: ModuleType) -> None:
    fresh = submit.run_command("host:1", "/job.py", None, None)
    assert fresh == ["/opt/flink/bin/flink", "run", "-d", "-m", "host:1", "-py", "/job.py"]
    resumed = submit.run_command("host:1", "/job.py", Path("/s/chk-1"), "/c.yaml")
    assert resumed[5:] == ["-s", "file:///s/chk-1", "-cm", "claim", "-py", "/job.py", "--config", "/c.yaml"]
