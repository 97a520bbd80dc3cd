"""`heliotrope catalog`: products into the `products` topic."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.catalogue.loading import LoadReport, load_products
from cli.errors import UserError
from cli.files.rows import read_rows
from cli.files.source import Source
from cli.options import Config, Sets, Workdir, find_target
from cli.output import number, progress_bar, stderr_console, stdout_console, summary_table
from cli.producing import Delivery

PROGRESS_EVERY = 500
EXAMPLE_CHARACTERS = 160

catalog = typer.Typer(help="The products that can be recommended.", no_args_is_help=True)


@catalog.callback()
def _group() -> None:
    """The products that can be recommended."""


@catalog.command("load")
def load(
    file: Annotated[Path, typer.Argument(help="JSON lines or CSV, .gz too; Amazon Products 2023 columns are known.")],
    config: Config = None,
    sets: Sets = None,
    workdir: Workdir = None,
) -> None:
    """Send products to the products topic; a JSON line with "removed": true takes its product out."""
    target = find_target(config, sets, workdir)
    if not file.is_file():
        raise UserError(f"cannot read {file}: name a file of products, JSON lines or CSV")
    with Delivery(target, linger_ms=20) as delivery:
        rows = _with_progress(read_rows(file, Source()))
        report = load_products(rows, target.settings.kafka.topics.products, delivery)
    _print_report(file, report)
    if not report.products and not report.removals:
        why = "; ".join(f"{reason}: {report.examples[reason]}" for reason in report.refused) or "it has no rows"
        raise UserError(f"nothing was loaded from {file} ({why[:300]}): see the form of a product in the README")


def _with_progress(rows: Iterable[Any]) -> Iterator[Any]:
    with progress_bar(stderr_console()) as bar:
        task = bar.add_task("loading", total=None, count="")
        for position, row in enumerate(rows, 1):
            yield row
            if position % PROGRESS_EVERY == 0:
                bar.update(task, completed=position, count=f"{number(position)} products")


def _print_report(file: Path, report: LoadReport) -> None:
    rows: list[tuple[str, str | int]] = [
        ("rows read", report.rows),
        ("products sent", report.products),
        ("of them repeated in the file", report.repeated),
        ("removals sent", report.removals),
        ("refused", report.refused.total()),
    ]
    for reason, count in report.refused.most_common():
        rows.append((f"  {reason}", f"{number(count)}, e.g. {report.examples[reason][:EXAMPLE_CHARACTERS]}"))
    stdout_console().print(summary_table(f"catalog load {file.name}", rows))
