"""Starting, looking at and stopping a stack, from Python: what the verbs, the demo and the tests call."""

import fcntl
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from cli.errors import UserError
from cli.stack.layout import Layout, prepare, private_files, remove_data, source_root
from cli.stack.plan import make_plan, supervisor_command, supervisor_environment
from cli.stack.progress import Step, read_step
from cli.stack.record import StackRecord, find_process, is_alive, read_record
from cli.stack.resume import remove_outside
from cli.stack.savepoint import stop_with_savepoint
from jobs.settings import load_settings
from state.configuration import Settings

STOP_SECONDS = 60.0
# The supervisors that this very process started, kept until they end so that they can be waited for.
_children: dict[int, subprocess.Popen[bytes]] = {}


def ignore(step: Step) -> None:
    """Report nothing."""


def running(workdir: Path) -> StackRecord | None:
    """Return the stack of a work directory, None where its supervisor does not live."""
    record = read_record(Layout.at(workdir).stack_file)
    return record if record is not None and is_alive(record.supervisor) else None


def start_stack(
    settings: Settings,
    workdir: Path,
    report: Callable[[Step], None] = ignore,
    entry: Path | None = None,
    fresh: bool = False,
) -> StackRecord:
    """Start a stack and return once its job is RUNNING; `report` hears of each step.

    `entry` is the job's module where it is another than Heliotrope's own; `fresh` removes what an earlier run kept.

    Raises:
        UserError: a step failed, or a stack runs there already; what was started is stopped.
        KeyboardInterrupt: likewise.
    """
    _check_mine(workdir)
    with private_files(), _locked(workdir) as lock:
        if fresh:
            remove_all(Layout.at(workdir))
        layout = prepare(workdir)
        make_plan(settings, layout, entry)
        supervisor = _spawn_supervisor(layout, lock)
    _children[supervisor.pid] = supervisor
    try:
        _follow(supervisor, layout, report)
    except BaseException:
        _end(supervisor)
        raise
    record = read_record(layout.stack_file)
    if record is None:
        raise UserError(f"the stack in {layout.root} ended right after its start: see {layout.logs}/supervisor.log")
    return record


def stop_stack(workdir: Path, keep_data: bool = False) -> str | None:
    """Stop a stack and remove its data, or keep it and return the savepoint that the next start resumes from.

    Raises:
        UserError: the data is to be kept and there is no point to resume from, then the stack goes on; or a start
            is under way.
    """
    layout = Layout.at(workdir)
    if not layout.lock_file.exists():
        return None
    record = read_record(layout.stack_file)
    point = None
    if record is not None and is_alive(record.supervisor):
        point = stop_with_savepoint(layout, record) if keep_data else None
        _stop_supervisor(record)
    with _locked(workdir):
        for process in record.processes.values() if record is not None else ():
            found = find_process(process)
            if found is not None:
                found.kill()
        if keep_data:
            remove_data(layout, keep_data)
        else:
            remove_all(layout)
    return point


def remove_all(layout: Layout) -> None:
    """Remove what all runs have left except logs, also outside of the work directory."""
    remove_outside(layout)
    remove_data(layout)


def job_settings(workdir: Path) -> Settings:
    """Return the settings as the running job was given them, with every address filled in."""
    return load_settings(Layout.at(workdir).job_config, environ={})


def _check_mine(workdir: Path) -> None:
    """Refuses a folder that holds other things: `up` and `down` remove folders in it."""
    layout = Layout.at(workdir)
    if layout.root.is_dir() and any(layout.root.iterdir()) and not layout.lock_file.exists():
        raise UserError(f"{layout.root} is not empty and no work directory of Heliotrope: choose another --workdir")


@contextmanager
def _locked(workdir: Path) -> Iterator[int]:
    """Holds the lock of a work directory; the supervisor inherits it and so holds it for its life."""
    path = Layout.at(workdir).lock_file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise UserError(
            f"cannot use the work directory {path.parent}: {error.strerror}: choose another --workdir"
        ) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError:
        raise UserError(
            f"a stack is starting or stopping in {path.parent}: wait for it, or choose another --workdir"
        ) from None
    finally:
        os.close(descriptor)


def _spawn_supervisor(layout: Layout, lock: int) -> subprocess.Popen[bytes]:
    """The supervisor, in a session of its own: a Ctrl-C at the terminal is not for it."""
    with (layout.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            supervisor_command(layout),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=supervisor_environment(source_root()),
            start_new_session=True,
            pass_fds=(lock,),
        )


def _follow(supervisor: subprocess.Popen[bytes], layout: Layout, report: Callable[[Step], None]) -> None:
    assert supervisor.stdout is not None
    assert supervisor.stdin is not None
    for line in supervisor.stdout:
        step = read_step(line)
        if step is None:
            continue
        if step.state == "ready":
            supervisor.stdout.close()
            supervisor.stdin.close()
            return
        report(step)
        if step.state == "failed":
            raise UserError(f"{step.name}: {step.detail}")
    raise UserError(f"the start broke off: see {layout.logs}/supervisor.log")


def _end(supervisor: subprocess.Popen[bytes]) -> None:
    """Stops a supervisor during its start, however impatient the person at the keyboard is."""
    for pipe in (supervisor.stdin, supervisor.stdout):
        if pipe is not None:
            pipe.close()
    with suppress(KeyboardInterrupt):
        supervisor.terminate()
        try:
            supervisor.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            supervisor.kill()  # its children go with it
    supervisor.wait()
    _children.pop(supervisor.pid, None)


def _stop_supervisor(record: StackRecord) -> None:
    found = find_process(record.supervisor)
    if found is None:
        return
    found.terminate()
    try:
        found.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        found.kill()
        with suppress(psutil.TimeoutExpired):
            found.wait(5.0)
    child = _children.pop(record.supervisor.pid, None)
    if child is not None:
        child.wait()
