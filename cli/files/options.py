"""Options of the verbs that read files, and the progress of reading."""

from collections.abc import Iterable, Iterator
from typing import Annotated, TypeVar

import msgspec
import typer
from rich.progress import Progress

from cli.errors import UserError
from cli.files.rows import Rows
from cli.files.source import Source
from cli.output import number

PROGRESS_EVERY = 500
T = TypeVar("T")

Delimiter = Annotated[str | None, typer.Option("--delimiter", help="Of a CSV file, such as ';', '\\t' or '::'.")]
Encoding = Annotated[
    str | None, typer.Option("--encoding", help="Of the file, where it is not UTF-8: latin-1, cp1252.")
]


def override(source: Source, delimiter: str | None, encoding: str | None) -> Source:
    """Return the source with what the command line says.

    Raises:
        UserError: it cannot be used.
    """
    changed = {name: value for name, value in (("delimiter", delimiter), ("encoding", encoding)) if value is not None}
    source = msgspec.structs.replace(source, **changed)
    if fault := source.fault():
        raise UserError(f"--{fault}")
    return source


def with_progress(items: Iterable[T], rows: Rows, bar: Progress, what: str) -> Iterator[T]:
    """Yield the items, with a bar over the bytes of the file that were read; it has no end where the file has no size."""
    task = bar.add_task(what, total=rows.size, count="")
    for position, item in enumerate(items, 1):
        yield item
        if position % PROGRESS_EVERY == 0:
            bar.update(task, completed=rows.position if rows.size else position, count=f"{number(position)} rows")
