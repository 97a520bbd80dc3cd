"""`heliotrope catalog`: products into the `products` topic."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from cli.catalogue.loading import LoadReport, checked, load_products
from cli.delivery import Delivery
from cli.errors import UserError
from cli.files.options import Delimiter, Encoding, override, with_progress
from cli.files.rows import open_rows
from cli.files.source import Source
from cli.options import Config, Sets, Workdir, find_target
from cli.output import number, progress_bar, stderr_console, stdout_console, summary_table
from cli.text import one_line

EXAMPLE_CHARACTERS = 160

catalog = typer.Typer(help="The products that can be recommended.", no_args_is_help=True)


@catalog.callback()
def _group() -> None:
    """The products that can be recommended."""


@catalog.command("load")
def load(
    file: Annotated[
        Path, typer.Argument(help="JSON, CSV or Parquet, packed too; Amazon Products 2023 columns are known.")
    ],
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Send products to the products topic; "removed": true, or TRUE, yes or 1 in a column, takes a product out."""
    target = find_target(config, sets, workdir)
    console = stderr_console()
    with open_rows(file, override(Source(), delimiter, encoding)) as rows, progress_bar(console) as bar:
        products = with_progress(checked(rows), rows, bar, "loading")
        with Delivery(target, linger_ms=20) as delivery:
            report = load_products(products, target.settings.kafka.topics.products, delivery, lambda: rows.line)
        read_as = rows.read_as()
    console.print(f"[dim]read as {escape(read_as)}[/]", soft_wrap=True)
    _print_report(file, report)
    if not report.products and not report.removals:
        why = "; ".join(f"{reason}: {report.examples[reason]}" for reason in report.refused) or "it has no rows"
        raise UserError(f"nothing was loaded from {file} ({why[:300]}): see the form of a product in docs/events.md")


def _print_report(file: Path, report: LoadReport) -> None:
    def example(what: str) -> str:
        return f"e.g. {one_line(report.examples[what])[:EXAMPLE_CHARACTERS]}"

    repeated = number(report.repeated) + (f", {example('repeated')}" if report.repeated else "")
    rows: list[tuple[str, str | int]] = [
        ("rows read", report.rows),
        ("products sent", report.products),
        ("of them repeated in the file", repeated),
        ("removals sent", report.removals),
        ("refused", report.refused.total()),
    ]
    rows += [(f"  {why}", f"{number(count)}, {example(why)}") for why, count in report.refused.most_common()]
    rows += [(what, f"{number(count)}, {example(what)}") for what, count in report.remarks.most_common()]
    stdout_console().print(summary_table(f"catalog load {file.name}", rows))
