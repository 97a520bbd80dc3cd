"""How a start and a running stack look to a person."""

import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.output import duration_text
from cli.stack.health import Health
from cli.stack.progress import Step
from cli.stack.record import StackRecord, without_password
from cli.text import visible


class StepDisplay:
    """Display of each step with its elapsed time: live on a terminal, else one line per finished step.

    Call it with every step, within `with`.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        columns = (SpinnerColumn(finished_text="[green]✓[/]"), TextColumn("{task.fields[title]:<8}"))
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "StepDisplay":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, step: Step) -> None:
        """Shows one step's news."""
        if step.state == "begun":
            self._tasks[step.name] = self._progress.add_task("", total=1, title=step.name, detail="")
        elif step.state == "done":
            if step.name in self._tasks:
                self._progress.update(self._tasks[step.name], completed=1, detail=escape(step.detail))
            if not self._console.is_terminal:
                self._console.print(f"✓ {step.name:<8} {step.seconds:5.1f} s  {escape(step.detail)}", soft_wrap=True)
        elif step.state == "failed":
            self._progress.stop()
            for line in step.tail:
                self._console.print(f"  [dim]{escape(visible(line))}[/]", soft_wrap=True, highlight=False)


def status_table(record: StackRecord, job: str, task_managers: int, health: Health | None = None) -> Table:
    """Return the stack's addresses, its job, how that is, and its processes."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "Kafka": record.kafka,
        "Redis": without_password(record.redis),
        "Flink": record.flink,
        **({"serving": record.serving} if record.serving else {}),
        "metrics": record.metrics,
        "job": job,
        "task managers": str(task_managers),
        "supervisor": f"pid {record.supervisor.pid}, {record.state}",
    }
    rows |= health_rows(health) if health is not None else {}
    for label, value in rows.items():
        table.add_row(label, escape(visible(value)))
    for name, process in record.processes.items():
        restarts = f", [yellow]restarted {process.restarts}×[/]" if process.restarts else ""
        table.add_row(escape(visible(name)), f"pid {process.pid}{restarts}")
    for restart in record.restarts[-5:]:
        at = time.strftime("%H:%M:%S", time.localtime(restart.at))
        table.add_row("restart", f"{at} {escape(visible(restart.name))}: {escape(visible(restart.cause))}")
    return table


def health_rows(health: Health) -> dict[str, str]:
    """Return what a person asks about a job that runs, or that does not."""
    rows = {"health": "; ".join((health.health, *health.reasons))}
    if health.last_profile_age_ms is not None:
        since = f"{health.profiles_written:,} since the job's last start"
        rows["last profile"] = f"{duration_text(health.last_profile_age_ms)} ago, {since}"
    elif health.state == "RUNNING":
        rows["last profile"] = "none since the job's last start"
    if health.event_lag_ms is not None:
        rows["lag"] = (
            f"{duration_text(health.event_lag_ms)} at the newest event, {health.records_behind or 0:,} records wait"
        )
    if health.checkpoint_age_ms is not None:
        rows["checkpoint"] = f"{duration_text(health.checkpoint_age_ms)} ago, {health.checkpoints_failed:,} have failed"
    if health.dead_letters or health.redis_retries:
        rows["refused"] = f"{health.dead_letters:,} dead letters, {health.redis_retries:,} writes to Redis tried again"
    if health.failures:
        newest = health.failures[0]
        at = time.strftime("%H:%M:%S", time.localtime(newest.at_ms / 1_000))
        rows["job restarts"] = f"{health.restarts}, the last at {at}: {newest.cause}"
    return rows
