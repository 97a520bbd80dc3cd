"""Backoff, the keeping of one process, and where a job resumes."""

import asyncio
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.stack.backoff import Backoff
from cli.stack.layout import Layout, file_uri, prepare
from cli.stack.ports import FREE_RANGE, choose, is_free
from cli.stack.process import Keeper, describe_exit, stop
from cli.stack.record import ProcessRecord, is_alive, process_record, without_password
from cli.stack.resume import (
    MAGIC,
    MissingStateError,
    adopt_log,
    known_jobs,
    remember_checkpoint,
    remember_job,
    remember_savepoint,
    remove_outside,
    resume_point,
)
from cli.stack.services import Service
from cli.stack.start_steps import tail, without_frames

WAITING = "import signal; signal.sigwait([signal.SIGUSR1])"


@given(st.lists(st.floats(0, 59), min_size=1, max_size=40))
def test_backoff_grows_and_is_bounded(lives: list[float]) -> None:
    backoff = Backoff(first_seconds=0.5, factor=2, limit_seconds=30)
    delays = [backoff.delay(lived) for lived in lives]
    assert delays == sorted(delays)
    assert delays[0] == 0.5
    assert max(delays) <= 30
    if len(delays) > 6:
        assert delays[-1] == 30


def test_a_long_life_begins_the_backoff_anew() -> None:
    backoff = Backoff(first_seconds=1, factor=2, healthy_after_seconds=60)
    assert [backoff.delay(0), backoff.delay(0), backoff.delay(61), backoff.delay(0)] == [1, 2, 1, 2]


def test_a_killed_process_is_started_again_and_told_of(tmp_path: Path) -> None:
    async def scenario() -> None:
        told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        service = Service("sleeper", (sys.executable, "-c", WAITING), str(tmp_path / "sleeper.log"))
        keeper = Keeper(
            service, dict(os.environ), lambda name, cause: told.put_nowait((name, cause)), Backoff(first_seconds=0.01)
        )
        first = await keeper.start()
        task = asyncio.create_task(keeper.keep())
        first.kill()
        assert await asyncio.wait_for(told.get(), 10) == ("sleeper", "SIGKILL")
        assert keeper.process is not None
        assert keeper.process.pid != first.pid
        task.cancel()
        await keeper.stop()
        assert keeper.process.returncode == -signal.SIGTERM

    asyncio.run(scenario())


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"

    async def scenario() -> int | None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", stubborn, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        await process.stdout.readline()
        await stop(process, 0.05)
        return process.returncode

    assert asyncio.run(scenario()) == -signal.SIGKILL


def test_children_die_with_their_owner(tmp_path: Path) -> None:
    owner = f"""
import asyncio, os, signal
from cli.stack.process import spawn
from cli.stack.services import Service
async def main():
    service = Service("child", ({sys.executable!r}, "-c", {WAITING!r}), {str(tmp_path / "child.log")!r})
    print((await spawn(service, dict(os.environ))).pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    answer = subprocess.run([sys.executable, "-c", owner], capture_output=True, text=True, timeout=30)
    assert answer.returncode == -signal.SIGKILL
    pid = int(answer.stdout)
    if psutil.pid_exists(pid):
        gone, _ = psutil.wait_procs([psutil.Process(pid)], timeout=10)
        assert gone or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_exits_are_named() -> None:
    assert describe_exit(-9) == "SIGKILL"
    assert describe_exit(1) == "exit status 1"
    assert "memory" in describe_exit(3)


def test_a_number_given_to_another_process_is_not_the_recorded_one() -> None:
    own = process_record(os.getpid())
    assert is_alive(own)
    assert not is_alive(ProcessRecord(own.pid, own.created - 100))


def test_passwords_are_not_stored() -> None:
    assert without_password("redis://user:secret@host:6379/1") == "redis://host:6379/1"
    assert without_password("redis://host:6379/1") == "redis://host:6379/1"
    for password in ("p@ss/w#rd", "a:b@c", "p%40", "@", "//"):
        assert without_password(f"redis://:{password}@host:6379/1") == "redis://host:6379/1"
    for hidden in ("redis://:a?b@host", "redis://:a?db=b@host", "redis://host/1?password=a@b"):
        assert without_password(hidden) == "redis://…"
    assert without_password("rediss://u:a@host/1?db=2&password=b") == "rediss://host/1?db=2"
    assert without_password("unix:///run/a@b.sock?db=1") == "unix:///run/a@b.sock?db=1"


def test_a_configured_port_is_taken_as_it_is_and_free_ones_lie_outside_of_the_ephemeral_range() -> None:
    taken: set[int] = set()
    port = choose(0, "local.kafka_port", taken)
    assert port in FREE_RANGE
    assert is_free(port)
    assert choose(0, "local.redis_port", taken) != port
    assert len(taken) == 2


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return prepare(tmp_path / "work")


def _checkpoint(folder: Path, number: int, complete: bool = True) -> str:
    folder.mkdir(parents=True)
    if complete:
        (folder / "_metadata").write_bytes(struct.pack(">iiq", MAGIC, 4, number))
    return file_uri(folder)


def test_a_job_resumes_from_the_newest_complete_point_of_its_own(layout: Layout) -> None:
    checkpoints = layout.data / "checkpoints"
    assert resume_point(layout) is None
    remember_job(layout, "a")
    remember_job(layout, "b")
    newest = _checkpoint(checkpoints / "b" / "chk-12", 12)  # written before the others, as in a folder that was copied
    _checkpoint(checkpoints / "a" / "chk-9", 9)
    _checkpoint(checkpoints / "b" / "chk-13", 13, complete=False)
    _checkpoint(checkpoints / "somebody-elses" / "chk-14", 14)
    assert resume_point(layout) == newest
    savepoint = _checkpoint(layout.data / "savepoints" / "savepoint-1", 15)
    remember_savepoint(layout, savepoint)
    assert resume_point(layout) == savepoint
    assert [job.id for job in known_jobs(layout)] == ["a", "b"]


def test_checkpoints_are_found_where_they_were_configured_to_be_before(layout: Layout, tmp_path: Path) -> None:
    before = tmp_path / "before"
    remember_job(layout, "a", file_uri(before))
    assert resume_point(layout) is None  # it may have completed none
    remember_checkpoint(layout, "a")
    with pytest.raises(MissingStateError, match=r"no complete checkpoint of job a is left in file://.*before.*--fresh"):
        resume_point(layout)
    newest = _checkpoint(before / "a" / "chk-3", 3)
    assert resume_point(layout) == newest
    remove_outside(layout)
    assert list(before.iterdir()) == []


def test_a_work_directory_may_be_moved_with_its_savepoint(layout: Layout) -> None:
    remember_savepoint(layout, _checkpoint(layout.data / "savepoints" / "savepoint-1", 1))
    moved = Layout(layout.root.rename(layout.root.with_name("moved")))
    assert resume_point(moved) == file_uri(moved.data / "savepoints" / "savepoint-1")


def test_what_the_first_release_remembered_is_found(layout: Layout) -> None:
    """It wrote ids alone, whole paths, and gave Flink percent-encoded ones, which made a sibling of a folder with an ö."""
    layout.jobs.write_text('["a"]')
    layout.savepoint.write_text('["file:/nowhere/data/savepoints/savepoint-1"]')
    savepoint = _checkpoint(layout.data / "savepoints" / "savepoint-1", 1)
    assert resume_point(layout) == savepoint

    german = prepare(layout.root.with_name("wörk"))
    german.jobs.write_text('["a"]')
    with pytest.raises(MissingStateError):
        resume_point(german)
    sibling = german.root.with_name("w%C3%B6rk")
    checkpoint = _checkpoint(sibling / "data" / "checkpoints" / "a" / "chk-1", 1)
    assert resume_point(german) == checkpoint
    german.savepoint.write_bytes(msgspec.json.encode([f"file:{sibling}/data/savepoints/savepoint-2"]))
    assert resume_point(german) == checkpoint
    savepoint = _checkpoint(sibling / "data" / "savepoints" / "savepoint-2", 2)
    assert resume_point(german) == savepoint
    misread = german.root.with_name("wÃ¶rk") / "data" / "kafka"
    misread.mkdir(parents=True)
    (misread / "meta.properties").touch()
    adopt_log(german)
    assert (german.data / "kafka" / "meta.properties").exists()
    remove_outside(german)
    assert {path.name for path in german.root.parent.iterdir()} == {"work", "wörk"}


@pytest.mark.parametrize(("content", "word"), [(None, "gone"), (b"", "damaged"), (b"x" * 40, "damaged")])
def test_a_savepoint_that_is_gone_or_damaged_is_never_an_empty_start(
    layout: Layout, content: bytes | None, word: str
) -> None:
    folder = Path(_checkpoint(layout.data / "savepoints" / "savepoint-1", 1).removeprefix("file://"))
    remember_savepoint(layout, file_uri(folder))
    (folder / "_metadata").unlink()
    if content is None:
        folder.rmdir()
    else:
        (folder / "_metadata").write_bytes(content)
    with pytest.raises(MissingStateError, match=rf"savepoint-1 is {word}.*heliotrope up --fresh"):
        resume_point(layout)


def test_a_savepoint_elsewhere_is_trusted(layout: Layout) -> None:
    remember_savepoint(layout, "s3://bucket/savepoint-1")
    assert resume_point(layout) == "s3://bucket/savepoint-1"


def test_the_end_of_a_log_leaves_out_stack_frames(tmp_path: Path) -> None:
    text = "one\njava.lang.Error: two\n\tat a.b.C.d(C.java:1)\n\t... 3 more\n\nCaused by: three\n"
    assert without_frames(text) == ("one", "java.lang.Error: two", "Caused by: three")
    (tmp_path / "x.out").write_text("printed\n")
    assert tail(str(tmp_path / "x.log")) == ("printed",)
