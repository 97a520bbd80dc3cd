"""`heliotrope doctor`: whether a deployment is as it must be, and what to mend."""

from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from cli.doctoring.finding import Finding
from cli.doctoring.flink import look_at_flink
from cli.doctoring.kafka import look_at_kafka
from cli.doctoring.machine import look_at_secrets, look_at_versions
from cli.doctoring.redis import look_at_redis
from cli.doctoring.serving import look_at_serving
from cli.errors import UserError
from cli.options import Config, Sets, Target, Workdir, find_target, workdir_of
from cli.output import stderr_console, stdout_console, write_json
from cli.stack.layout import Layout
from cli.stack.record import read_record

STYLES = {"ok": "[green]ok[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


def doctor(
    jobmanager: Annotated[
        str | None,
        typer.Option("--jobmanager", metavar="HOST:PORT", help="Flink's REST interface, if not the local one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Look at Kafka, Redis, Flink, secrets and versions, and say what to mend; exit status 1 if something is an error."""
    target = find_target(config, sets, workdir)
    record = read_record(Layout.at(workdir_of(target.settings, workdir)).stack_file)
    job_id = record.job.id if record is not None and jobmanager is None else ""
    with stderr_console().status("looking"):
        findings = examine(target, f"http://{jobmanager}" if jobmanager else target.endpoints.flink, job_id)
    if as_json:
        tree = {"ok": not _errors(findings), "findings": [finding._asdict() for finding in findings]}
        write_json(msgspec.json.encode(tree).decode())
    else:
        stdout_console().print(findings_table(findings))
    if count := _errors(findings):
        raise UserError(f"{count} thing{'s' if count > 1 else ''} to mend: see the lines with `error`")


def examine(target: Target, flink: str, job_id: str = "") -> list[Finding]:
    """Examine everything, and return findings with the worst first."""
    findings = [
        *look_at_kafka(target),
        *look_at_redis(target),
        *look_at_flink(flink, target.settings, job_id),
        *look_at_serving(target),
        *look_at_secrets(target.settings),
        *look_at_versions(),
    ]
    return sorted(findings, key=lambda finding: ("error", "warning", "ok").index(finding.level))


def findings_table(findings: list[Finding]) -> Table:
    """Return a line for each finding, and what to do."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        mend = f": [bold]{escape(finding.mend)}[/]" if finding.mend else ""
        table.add_row(STYLES[finding.level], escape(finding.about), escape(finding.found) + mend)
    return table


def _errors(findings: list[Finding]) -> int:
    return sum(finding.level == "error" for finding in findings)
