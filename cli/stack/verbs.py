"""`heliotrope fetch`, `up`, `status` and `down`."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from cli.errors import UserError
from cli.options import Config, Sets, Workdir, workdir_of
from cli.output import stderr_console, stdout_console, write_json
from cli.stack import control, jars
from cli.stack.display import StepDisplay, status_table
from cli.stack.installing import make_class_archives
from cli.stack.layout import Layout
from cli.stack.record import read_record
from cli.stack.status import live_health, live_status, status_tree
from jobs.settings import load_settings

NOTHING_RUNS = 3


def fetch() -> None:
    """Fetch the jars of Kafka and Flink's connector, verify them, compile the job's kernels, and archive the classes from which the
    stack's JVMs start; a second call only verifies."""
    from state.kernels import warm  # numba takes half a second to import, which no other verb should wait for

    console = stderr_console()
    columns = (SpinnerColumn(), TextColumn("{task.description:<40}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task("verifying", total=None)
        fetched = jars.fetch(lambda done, of, name: progress.update(task, completed=done, total=of, description=name))
        progress.update(task, total=None, description="compiling")
        warm()
        progress.update(task, total=None, description="archiving classes")
        try:
            make_class_archives()
        except UserError as error:  # `up` works without
            console.print(f"warning: {error}", soft_wrap=True, markup=False)
    total = len(jars.read_lock())
    stdout_console().print(
        f"{total} jars verified in {jars.folder()}, {fetched} fetched now", soft_wrap=True, markup=False
    )


def up(
    config: Config = None,
    sets: Sets = None,
    task_managers: Annotated[
        int | None, typer.Option("--task-managers", min=1, help="One slot each; default: local.task_managers.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start empty: remove what an earlier run kept, or left when it broke off.")
    ] = False,
    workdir: Workdir = None,
) -> None:
    """Start Kafka, Redis and Flink on loopback and the job on them; returns once the job is RUNNING."""
    overrides = [*(sets or ()), *([f"local.task_managers={task_managers}"] if task_managers else ())]
    settings = load_settings(config, overrides)
    folder = workdir_of(settings, workdir)
    console = stderr_console()
    record = control.running(folder)
    if record is not None and record.state == "running" and fresh:
        raise UserError(f"a stack runs in {folder}: stop it with `heliotrope down` before you start empty")
    if record is not None and record.state == "running":
        stdout_console().print(f"a stack runs already in {folder}: nothing changed", soft_wrap=True, markup=False)
    else:
        with StepDisplay(console) as display:
            record = control.start_stack(settings, folder, display, fresh=fresh)
    job, count = live_status(record)
    stdout_console().print(status_table(record, f"{job.id} {job.state}", count))


def status(
    json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Show what runs, and what was restarted; exit status 3 where nothing runs."""
    folder = workdir_of(load_settings(config, sets or ()), workdir)
    record = control.running(folder)
    if record is None:
        raise UserError(_why_nothing_runs(folder), exit_code=NOTHING_RUNS)
    if json:
        write_json(msgspec.json.encode(status_tree(record)).decode())
        return
    health, count = live_health(record)
    stdout_console().print(status_table(record, f"{record.job.id} {health.state}", count, health))


def _why_nothing_runs(folder: Path) -> str:
    """A record without its supervisor means that this one died, and with it all that it had started."""
    if read_record(Layout.at(folder).stack_file) is None:
        return f"no stack runs in {folder}: start one with `heliotrope up`"
    return f"the supervisor of the stack in {folder} died, and all that it started: `heliotrope up` goes on where it stopped"


def down(
    keep_data: Annotated[
        bool, typer.Option("--keep-data", help="Stop with a savepoint that the next `up` resumes from.")
    ] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Stop what `up` started, and remove its data."""
    folder = workdir_of(load_settings(config, sets or ()), workdir)
    ran = control.running(folder) is not None
    left_over = Layout.at(folder).data.exists() and Layout.at(folder).lock_file.exists()
    with stderr_console().status("stopping"):
        point = control.stop_stack(folder, keep_data)
    said = f"stopped the stack in {folder}" if ran else f"no stack runs in {folder}"
    if point:
        said += f"; the next `heliotrope up` resumes from {point}"
    elif left_over and not keep_data:
        said += f"; removed its data, its logs stay in {Layout.at(folder).logs}"
    stdout_console().print(said, soft_wrap=True, markup=False)
